#include "tests/engine/sessions/scripted_peer.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>

#include "channels/transport/connector.hpp"
#include "channels/wire/channel_init.hpp"
#include "channels/wire/device_state_packet.hpp"
#include "engine/packets/transfer_digest.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPacketBytes = 4096;
constexpr std::uint32_t kChannels = 2;
constexpr std::uint32_t kSection = 1;
const char* const kName = "gpu0";

void set_up(CommonSettings& settings, const std::string& folder) {
    settings.state_dir = folder;
    settings.on_unknown_owner = OnUnknownOwner::exit;
    settings.stall_timeout = kPatience;
    settings.connect_timeout = kPatience;
}

Decision decision_in(const std::string& folder) {
    const auto records = read_all(folder);
    REQUIRE(records.has_value());
    REQUIRE(records->records.size() == 1);
    return records->records[0].decision;
}

}  // namespace

ScriptedDevice::Script scripted_state() {
    ScriptedDevice::Script script;
    script.state = pattern(10'000);
    script.config = pattern(64, 2);
    return script;
}

std::optional<Heard> MessageListener::next(Connection& connection, bool control) {
    const auto deadline = patience();
    for (;;) {
        const auto parsed = control ? parse_control(unread_) : parse_return_path(unread_);
        if (!parsed) return std::nullopt;
        if (parsed->message) {
            const auto data = parsed->message->data;
            Heard heard{parsed->message->type, {data.begin(), data.end()}};
            unread_.erase(unread_.begin(),
                          unread_.begin() + static_cast<std::ptrdiff_t>(parsed->consumed));
            return heard;
        }
        std::array<std::byte, 4096> piece;
        const auto count = connection.receive_some(piece, deadline, nullptr);
        if (!count || *count == 0) return std::nullopt;
        unread_.insert(unread_.end(), piece.begin(),
                       piece.begin() + static_cast<std::ptrdiff_t>(*count));
    }
}

Heartbeats::Heartbeats(Connection& control)
    : thread_([this, &control](const std::stop_token& stop) {
          std::mutex mutex;
          std::condition_variable_any ended;
          for (std::uint64_t progress = 1; !stop.stop_requested(); progress += moves_ ? 1U : 0U) {
              std::vector<std::byte> beat;
              append_message(beat, ControlType::heartbeat,
                             encode(Heartbeat{.progress = progress, .status = 0}));
              (void)write_all(control, beat);
              std::unique_lock lock(mutex);
              ended.wait_for(lock, stop, 50ms, [] { return false; });
          }
      }) {}

ScriptedDestination::ScriptedDestination()
    : listener_({.address = {.family = Address::Family::unix_path,
                             .host = {},
                             .port = 0,
                             .path = folder_ / "socket"}}) {
    hello.software = "a script";
    hello.packet_bytes_max = 1U << 20U;
    hello.devices.push_back({.identity = {kName, 0}});
    hello.session = SessionId{};
    hello.session->bytes.fill(std::byte{0x5a});
}

std::string ScriptedDestination::address() const {
    return to_string(listener_.local_address());
}

void ScriptedDestination::meet_source() {
    auto accepted = listener_.accept_main(patience(), nullptr);
    REQUIRE(accepted.has_value());
    main = std::move(*accepted);
    reader_.emplace(main, static_cast<const SectionClassifier&>(*this), ParserOptions{},
                    interrupt_);
    const auto ping = await_command(kCommandPing);
    REQUIRE(decode_u32(ping).value() == kHelloPing);
}

void ScriptedDestination::say(ReturnPathType type, std::span<const std::byte> body) {
    std::vector<std::byte> message;
    append_message(message, type, body);
    REQUIRE(write_all(main, message));
}

void ScriptedDestination::say_hello() {
    say(ReturnPathType::hello, encode(hello).value());
    say(ReturnPathType::pong, encode_u32(kHelloPing));
}

void ScriptedDestination::let_in() {
    REQUIRE(decode_hello(await_command(kCommandHello)).has_value());
    const auto door = listener_.open_door(*hello.session, kChannels, /*control=*/true);
    say(ReturnPathType::pong, await_command(kCommandPing));
    auto connections = door->collect(patience(), nullptr);
    REQUIRE(connections.has_value());
    control = std::move(*connections->control);
    channels = std::move(connections->channels);
    heartbeats_.emplace(control);
}

void ScriptedDestination::greet() {
    meet_source();
    say_hello();
    let_in();
    say(ReturnPathType::ready);
}

std::vector<std::byte> ScriptedDestination::await_command(std::uint16_t id) {
    for (;;) {
        const auto event = reader_->next(patience());
        INFO("awaiting command " << id);
        REQUIRE(event.has_value());
        std::uint64_t raw = 0;
        if (const auto* data = std::get_if<DeviceData>(&*event)) raw = data->bytes;
        if (const auto* data = std::get_if<SizedConfig>(&*event)) raw = data->bytes;
        if (const auto* data = std::get_if<VmDescription>(&*event)) raw = data->bytes;
        REQUIRE(reader_->skip_raw(raw).has_value());
        const auto* command = std::get_if<Command>(&*event);
        if (command != nullptr && command->id == id) {
            return {command->data.begin(), command->data.end()};
        }
    }
}

std::vector<VerifyEntry> ScriptedDestination::await_table() {
    auto table = decode_verify(await_command(kCommandVerify));
    REQUIRE(table.has_value());
    return std::move(table->entries);
}

void ScriptedDestination::say_loaded(std::span<const VerifyEntry> table) {
    say(ReturnPathType::loaded, encode_verify(table).front());
}

void ScriptedDestination::be_committed() {
    greet();
    say_loaded(await_table());
    await_command(kCommandCommit);
}

void ScriptedDestination::close_all() {
    fall_silent();
    main = Connection();
    control = Connection();
    channels.clear();
}

RunningSource::RunningSource() {
    set_up(settings, folder_ / "records");
    settings.packet_size = kPacketBytes;
    settings.multifd_channels = kChannels;
    device = std::make_shared<ScriptedDevice>(scripted_state());
}

RunningSource::~RunningSource() {
    // A failed test leaves a run that may have to be told twice: to cancel, then to leave doubt.
    (void)multifd::await([&] {
        if (!report_.valid() || ended()) return true;
        (void)source_->cancel();
        return false;
    });
}

void RunningSource::start(const std::string& address) {
    settings.to = address;
    source_ = std::make_unique<Source>(
        settings, std::vector<DeviceEntry>{{kName, 0, MultifdProperty::automatic, device}});
    report_ = std::async(std::launch::async, [this] { return source_->run(); });
}

bool RunningSource::ended() const {
    return report_.wait_for(0s) == std::future_status::ready;
}

bool RunningSource::await_status(Status status) const {
    return multifd::await([&] { return source_->statistics().status == status; });
}

Report RunningSource::await() {
    REQUIRE(report_.wait_for(kPatience) == std::future_status::ready);
    return report_.get();
}

Decision RunningSource::decision() const {
    return decision_in(settings.state_dir);
}

ScriptedSource::ScriptedSource(const std::string& address)
    : state(scripted_state().state), config(scripted_state().config), address_(address) {
    auto connected = connect(parse_address(address).value(), patience(), nullptr);
    REQUIRE(connected.has_value());
    main = std::move(*connected);
}

void ScriptedSource::open() {
    records_.header();
    records_.configuration("multifd");
    records_.open_return_path();
    records_.ping(kHelloPing);
    flush();
}

void ScriptedSource::await_hello() {
    const auto hello = decode_hello(hear(ReturnPathType::hello));
    REQUIRE((hello.has_value() && hello->session));
    session = *hello->session;
    hear(ReturnPathType::pong);
}

std::vector<std::byte> ScriptedSource::hello() {
    Hello hello;
    hello.software = "a script";
    hello.channels = kChannels;
    hello.packet_bytes = kPacketBytes;
    hello.devices.push_back({.identity = {kName, 0}});
    return encode(hello).value();
}

void ScriptedSource::say_hello() {
    records_.command(kCommandHello, hello());
    records_.ping(2);
    flush();
}

void ScriptedSource::connect_all() {
    control = connect_with_init(kControlMagic, 0);
    heartbeats_.emplace(control);
    for (std::uint8_t i = 0; i < kChannels; ++i) {
        channels[i] = connect_with_init(kMultifdMagic, i);
    }
    hear(ReturnPathType::ready);
}

Connection ScriptedSource::connect_with_init(std::uint32_t magic, std::uint8_t id) {
    auto connected = connect(parse_address(address_).value(), patience(), nullptr);
    REQUIRE(connected.has_value());
    std::array<std::byte, kChannelInitBytes> init;
    encode(ChannelInit{.session = session, .id = id}, magic, init);
    REQUIRE(write_all(*connected, init));
    return std::move(*connected);
}

void ScriptedSource::greet() {
    open();
    await_hello();
    say_hello();
    hear(ReturnPathType::pong);
    connect_all();
}

void ScriptedSource::flush() {
    REQUIRE(write_all(main, pending_));
    pending_.clear();
}

void ScriptedSource::send_start() {
    records_.section_begin(SectionType::start, kSection, kName, 0);
    records_.mark(DeviceMark::setup);
    records_.mark(DeviceMark::end_of_state);
    records_.section_end(kSection);
    flush();
}

void ScriptedSource::send_packets() {
    const auto send = [&](std::uint32_t idx, std::span<const std::byte> data, bool is_config) {
        std::array<std::byte, kDeviceStatePrologueBytes> head;
        encode(DeviceStateHeader{.idstr = kName,
                                 .instance_id = 0,
                                 .idx = idx,
                                 .config = is_config,
                                 .data_bytes = static_cast<std::uint32_t>(data.size())},
               head);
        REQUIRE(write_all(channels[0], head));
        REQUIRE(write_all(channels[0], data));
    };
    std::uint32_t idx = 0;
    for (auto left = std::span<const std::byte>(state); !left.empty(); ++idx) {
        const auto data = left.first(std::min(left.size(), kPacketBytes));
        send(idx, data, false);
        left = left.subspan(data.size());
    }
    const auto begin = config_state_token();
    const auto end = end_of_state_token();
    std::vector<std::byte> wrapped(begin.begin(), begin.end());
    wrapped.insert(wrapped.end(), config.begin(), config.end());
    wrapped.insert(wrapped.end(), end.begin(), end.end());
    send(idx, wrapped, true);
    for (auto& channel : channels) {
        std::array<std::byte, kPacketPrefixBytes> mark;
        encode_channel_end(mark);
        REQUIRE(write_all(channel, mark));
        channel.half_close();
    }
}

void ScriptedSource::send_sections() {
    records_.switchover_start();
    for (const auto type : {SectionType::end, SectionType::full}) {
        records_.section_begin(type, kSection, kName, 0);
        records_.mark(DeviceMark::end_of_state);
        records_.section_end(kSection);
    }
    records_.eof();
    records_.vmdescription("{}");
    flush();
}

void ScriptedSource::send_state() {
    send_start();
    send_packets();
    send_sections();
}

std::vector<VerifyEntry> ScriptedSource::table() const {
    TransferDigest digest;
    std::uint32_t idx = 0;
    for (auto left = std::span<const std::byte>(state); !left.empty(); ++idx) {
        const auto data = left.first(std::min(left.size(), kPacketBytes));
        digest.fold(idx, 0, data.size(), hash_of(data));
        left = left.subspan(data.size());
    }
    digest.fold(idx, TransferDigest::kConfigFlag, config.size(), hash_of(config));
    return {{.device = 0,
             .packets = idx + 1,
             .bytes = state.size() + config.size(),
             .digest = digest.value()}};
}

void ScriptedSource::say_table(std::span<const VerifyEntry> table) {
    for (const auto& body : encode_verify(table)) records_.command(kCommandVerify, body);
    flush();
}

void ScriptedSource::be_loaded() {
    send_state();
    say_table(table());
    const auto loaded = decode_verify(hear(ReturnPathType::loaded));
    REQUIRE(loaded.has_value());
    REQUIRE(loaded->entries == table());
}

std::vector<std::byte> ScriptedSource::hear(ReturnPathType type) {
    auto heard = return_path_.next(main, /*control=*/false);
    REQUIRE(heard);
    CAPTURE(heard->type);
    REQUIRE(static_cast<ReturnPathType>(heard->type) == type);
    return std::move(heard->body);
}

PeerError ScriptedSource::hear_error() {
    for (;;) {
        const auto heard = control_messages_.next(control, /*control=*/true);
        REQUIRE(heard);
        if (static_cast<ControlType>(heard->type) != ControlType::error) continue;
        const auto error = decode_peer_error(heard->body);
        REQUIRE(error.has_value());
        return *error;
    }
}

void ScriptedSource::close_all() {
    fall_silent();
    main = Connection();
    control = Connection();
    channels.clear();
}

RunningDestination::RunningDestination(const std::string& listen)
    : listener_({.listen = listen.empty() ? "unix:" + (folder_ / "socket") : listen}) {
    set_up(settings, folder_ / "records");
    settings.max_queued_bytes = 64 * kPacketBytes;
    device = std::make_shared<ScriptedDevice>(ScriptedDevice::Script{});
}

RunningDestination::~RunningDestination() {
    // A failed test leaves a run that may have to be told twice: to cancel, then to leave doubt.
    (void)multifd::await([&] {
        if (!report_.valid() || ended()) return true;
        (void)destination_->cancel();
        return false;
    });
}

void RunningDestination::start() {
    destination_ = std::make_unique<Destination>(
        settings, std::vector<DeviceEntry>{{kName, 0, MultifdProperty::automatic, device}});
    report_ = std::async(std::launch::async, [this] { return destination_->run(listener_); });
}

bool RunningDestination::ended() const {
    return report_.wait_for(0s) == std::future_status::ready;
}

bool RunningDestination::await_status(Status status) const {
    return multifd::await([&] { return destination_->statistics().status == status; });
}

Report RunningDestination::await() {
    REQUIRE(report_.wait_for(kPatience) == std::future_status::ready);
    return report_.get();
}

Decision RunningDestination::decision() const {
    return decision_in(settings.state_dir);
}

}  // namespace multifd
