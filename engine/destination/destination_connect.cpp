// The destination meets a source: greeting, agreement, channels, devices ready to load.
#include <poll.h>

#include <algorithm>
#include <limits>
#include <random>

#include "channels/memory/memory_policy.hpp"
#include "channels/transport/socket_address.hpp"
#include "engine/destination/destination_session.hpp"
#include "engine/session/multifd_choice.hpp"
#include "engine/session/version.hpp"

namespace multifd {
namespace {

/// Well below the second within which an end reports what the other one has told it.
constexpr auto kGlanceEvery = std::chrono::milliseconds(100);
/// How long a question is waited for that can only be answered with a refusal: below it, too.
constexpr auto kQuestionWait = std::chrono::milliseconds(500);

SessionId random_session() {
    SessionId id;
    std::random_device random;
    for (auto& byte : id.bytes) byte = static_cast<std::byte>(random() & 0xffU);
    return id;
}

}  // namespace

Deadline DestinationSession::last_question_at() {
    if (!last_question_at_) last_question_at_ = Clock::now() + kQuestionWait;
    return *last_question_at_;
}

bool DestinationSession::answer(ReturnPathType type, std::span<const std::byte> body) {
    const std::scoped_lock lock(answer_mutex_);
    std::vector<std::byte> message;
    append_message(message, type, body);
    const auto error = main_.send(message, Clock::now() + common_.stall_timeout, &interrupt_);
    if (!error) return true;
    const bool broken = error.category() != multifd_category();
    fail({.code = broken ? ErrorCode(Errc::peer_closed) : error,
          .detail = "answering " + peer_ + " on the return path failed: " + error.message()});
    return false;
}

bool DestinationSession::answer_ping(const Command& command) {
    const auto value = decode_u32(command.data);
    if (!value) return fail_stream(value.error());
    if (*value == kHelloPing && !qemu_) {
        asked_for_hello_ = true;
        set_status(Status::setup);  // Before our answer, so that a source never meets an idle end.
        const auto hello = encode(make_hello());
        if (!hello) {
            fail({.code = hello.error(),
                  .detail = "the hello would be over 64 KiB; use fewer devices or shorter idstr"});
            return false;
        }
        if (!answer(ReturnPathType::hello, *hello)) return false;
    }
    return answer(ReturnPathType::pong, command.data);
}

Hello DestinationSession::make_hello() const {
    Hello hello;
    hello.software = software_name();
    hello.channels = settings_.multifd_channels;
    // A packet that the whole memory limit cannot hold is none that we can take.
    hello.packet_bytes_max = std::min(settings_.packet_size_max, settings_.max_queued_bytes);
    hello.queued_bytes_max = settings_.max_queued_bytes;
    hello.verify = common_.verify;
    hello.switchover_ack = true;
    hello.features = {std::string(kFeatureZeroTail), std::string(kFeatureZeroBlocks),
                      std::string(kFeatureTransferReport)};
    const auto compression = settings_.multifd_compression;
    if (compression != MultifdCompression::none) hello.features.emplace_back(kFeatureZstd);
    if (compression == MultifdCompression::zstd) hello.required.emplace_back(kFeatureZstd);
    if (common_.multifd_pre_copy) hello.features.emplace_back(kFeaturePreCopyChannels);
    for (const auto& slot : devices_) {
        hello.devices.push_back({.identity = slot->identity,
                                 .multifd = choice_of(slot->entry.multifd),
                                 .running = true,
                                 .expected_bytes = 0});
    }
    hello.session = session_id_;
    return hello;
}

void DestinationSession::draw_session_id() {
    session_id_ = random_session();
    const std::scoped_lock lock(names_mutex_);
    session_text_ = to_string(session_id_);
}

// Up to the question for our hello, which a multifd source asks without waiting for anything. A
// part of the connect timeout is enough for that, so that a silent stranger does not use up the
// time of the source that waits behind it.
bool DestinationSession::hears_a_source() {
    const auto deadline = began_ + common_.connect_timeout / 4;
    while (!asked_for_hello_) {
        const auto event = reader_->next(deadline);
        const auto* command = event ? std::get_if<Command>(&*event) : nullptr;
        if (event && std::holds_alternative<SectionBegin>(*event)) {
            return fail_stream(Errc::hello_missing);
        }
        const bool foreign = command != nullptr && command->id != kCommandOpenReturnPath &&
                             command->id != kCommandPing;
        if (!event || foreign) {
            if (failed()) return false;
            const auto reason = event ? ErrorCode(Errc::command_unexpected) : event.error();
            log(LogLevel::warning, std::string(error_name(reason)) + ": " + peer_ +
                                       " does not speak as a source does (" + reason.message() +
                                       "); waiting for another");
            return false;
        }
        if (command == nullptr) continue;
        if (command->id == kCommandOpenReturnPath) return_path_open_ = true;
        if (command->id == kCommandPing && !answer_ping(*command)) return false;
    }
    return true;
}

bool DestinationSession::agree_with_source(ConnectionListener& listener) {
    if (qemu_) return adopt_qemu(listener);
    const auto deadline = began_ + common_.connect_timeout;
    bool door_open = false;
    while (!door_open) {
        const auto event = reader_->next(deadline);
        if (!event) {
            if (event.error() != Errc::phase_timeout) return fail_stream(event.error());
            fail({.code = Errc::connect_timeout,
                  .detail = peer_ + " did not finish its greeting in time (--connect-timeout)"});
            return false;
        }
        if (std::holds_alternative<SectionBegin>(*event)) {
            return fail_stream(Errc::hello_missing);
        }
        const auto* command = std::get_if<Command>(&*event);
        if (command != nullptr && !handle_greeting(*command, listener, door_open)) return false;
    }
    return !failed();
}

bool DestinationSession::handle_greeting(const Command& command, ConnectionListener& listener,
                                         bool& door_open) {
    switch (command.id) {
        case kCommandOpenReturnPath:
            return_path_open_ = true;
            return true;
        case kCommandPing: {
            if (greeted_) {
                // The ping behind the hello asks whether the channels may come.
                door_ = listener.open_door(session_id_, channels_, /*control=*/true);
                door_open = true;
            }
            return answer_ping(command);
        }
        case kCommandHello: {
            const auto hello = decode_hello(command.data);
            if (!hello) return fail_stream(hello.error());
            greeted_ = true;
            return adopt(*hello);
        }
        case kCommandAbort:
            if (!asked_for_hello_) return fail_stream(Errc::command_unexpected);
            fail(failure_of_abort(command.data));
            return false;
        default:
            return fail_stream(Errc::command_unexpected);
    }
}

bool DestinationSession::adopt(const Hello& source) {
    auto outcome = agree(source, make_hello());
    if (const auto* disagreement = std::get_if<Disagreement>(&outcome)) {
        fail({.code = disagreement->code,
              .detail = disagreement->message,
              .device = disagreement->device});
        return false;
    }
    const auto& agreement = std::get<Agreement>(outcome);
    channels_ = agreement.channels;
    packet_bytes_ = agreement.packet_bytes;
    agreed_verify_ = agreement.verify;
    encodings_ = {.zstd = agreement.has(kFeatureZstd),
                  .zero_tail = agreement.has(kFeatureZeroTail),
                  .zero_blocks = agreement.has(kFeatureZeroBlocks)};
    pre_copy_on_channels_ = agreement.pre_copy_on_channels;
    transfer_report_wanted_ = agreement.has(kFeatureTransferReport);
    for (const auto& device : agreement.devices) {
        auto& slot = *devices_[device.destination_index];
        slot.multifd = device.multifd;
        slot.running = device.running;
        slot.pre_copies = device.pre_copies;
        slot.pre_copy_on_channels = device.pre_copy_on_channels;
        slot.expected_bytes = source.devices[device.source_index].expected_bytes;
        source_order_.push_back(device.destination_index);
    }
    agreed_ = {{"multifd-channels", channels_},
               {"packet-size", packet_bytes_},
               {"verify", agreed_verify_ ? 1U : 0U},
               {"switchover-ack", agreement.switchover_ack ? 1U : 0U},
               {"multifd-compression", 0, compression_name()},
               {"multifd-pre-copy", agreement.has(kFeaturePreCopyChannels) ? 1U : 0U, {}}};
    log(LogLevel::info, "agreed with " + source.software + " at " + peer_);
    return true;
}

// What it asked for, unless the source compresses nothing.
std::string_view DestinationSession::compression_name() const {
    if (!encodings_.zstd) return "none";
    return settings_.multifd_compression == MultifdCompression::zstd ? "zstd" : "auto";
}

bool DestinationSession::adopt_qemu(ConnectionListener& listener) {
    channels_ = settings_.multifd_channels;
    packet_bytes_ = settings_.packet_size_max;
    for (auto& slot : devices_) {
        // What `auto` comes to shows itself: packets, or data in the END section.
        slot->multifd = channels_ != 0 && slot->entry.multifd != MultifdProperty::off;
        slot->running = true;
        if (channels_ != 0 || slot->entry.multifd != MultifdProperty::on) continue;
        fail({.code = Errc::multifd_disagree,
              .detail = "multifd=on needs channels; give --multifd-channels",
              .device = slot->identity});
        return false;
    }
    if (channels_ != 0) door_ = listener.open_door(session_id_, channels_, /*control=*/false);
    return !failed();
}

bool DestinationSession::let_channels_in() {
    if (!begin_record()) return false;
    std::vector<Connection> channels;
    if (door_) {
        auto connections = collect_channels();
        if (failed()) return false;
        if (!connections) {
            fail({.code = connections.error(),
                  .detail = "not all of the " + std::to_string(channels_) + " channels of " +
                            peer_ + " came: " + connections.error().message()});
            return false;
        }
        if (connections->control) control_.attach(std::move(*connections->control));
        channels = std::move(connections->channels);
    }
    return make_plane(std::move(channels));
}

// A source that gives up before its channels have come says so on the main channel, which nobody
// reads meanwhile.
Result<SessionDoor::Connections> DestinationSession::collect_channels() {
    const auto deadline = began_ + common_.connect_timeout;
    for (;;) {
        const auto glance = std::min(deadline, Clock::now() + kGlanceEvery);
        auto connections = door_->collect(glance, &interrupt_);
        if (connections || connections.error() != Errc::connect_timeout) return connections;
        if (Clock::now() >= deadline || source_has_gone()) return connections;
    }
}

bool DestinationSession::source_has_gone() {
    pollfd main{main_.fd(), POLLRDHUP, 0};
    if (::poll(&main, 1, 0) <= 0) return false;
    const auto event = reader_->next(began_ + common_.connect_timeout);
    if (!event) return !fail_stream(event.error());
    const auto* command = std::get_if<Command>(&*event);
    if (command != nullptr && command->id == kCommandAbort) {
        fail(failure_of_abort(command->data));
    } else {
        fail({.code = Errc::peer_closed,
              .detail = peer_ + " closed the main channel before its channels came"});
    }
    return true;
}

// As many as the limit allows, but no more than the announced state can fill: memory that nobody
// will touch is not taken. An estimate that was too low costs waiting, never correctness.
std::size_t DestinationSession::buffers_wanted(std::size_t channels) const {
    const auto allowed = std::clamp<std::size_t>(settings_.max_queued_bytes / packet_bytes_, 1,
                                                 std::numeric_limits<std::uint32_t>::max() - 1);
    std::size_t announced = 2 * (channels + devices_.size());
    for (const auto& slot : devices_) {
        if (!slot->multifd) continue;
        const auto expected = slot->expected_bytes.load(std::memory_order_relaxed);
        if (expected == 0) return allowed;  // No estimate, or no state: nothing to go by.
        announced += static_cast<std::size_t>(
            std::min<std::uint64_t>(expected / packet_bytes_ + 1, allowed));
    }
    return std::min(allowed, announced);
}

bool DestinationSession::make_plane(std::vector<Connection> channels) {
    place_channels(main_.fd(), channels.size());
    const PreferredNode memory(placement_->node());
    const auto buffers = buffers_wanted(channels.size());
    auto inbound = std::make_unique<InboundPackets>(
        ReassemblyLimits{.buffer_bytes = packet_bytes_,
                         .buffers = static_cast<std::uint32_t>(buffers),
                         // QEMU may use none; then nothing is ever admitted.
                         .channels = std::max(1U, static_cast<std::uint32_t>(channels.size())),
                         .first_idx = first_idx_},
        static_cast<std::uint32_t>(devices_.size()));
    for (const auto& slot : devices_) {
        if (!slot->multifd) (void)inbound->exclude(slot->id);
        if (slot->pre_copy_on_channels) inbound->begin_pre_copy(slot->id);
    }
    if (Refusal gap; !qemu_) (void)inbound->watch_for_gaps(gap);
    // For pieces of state, a config state or a host section: each at most 1 MiB; and for chunks
    // that must stay whole, which are no larger than a packet of the source's.
    const auto chunked = [](const auto& slot) { return slot->traits.chunked; };
    const std::size_t chunk_bytes = std::ranges::any_of(devices_, chunked) ? packet_bytes_ : 0;
    main_buffer_.emplace(std::max<std::size_t>(limits::kConfigStateBytesMax, chunk_bytes), 1);
    main_hash_.emplace();
    {
        const std::scoped_lock lock(plane_mutex_);
        inbound_ = std::move(inbound);
    }
    if (!run_jobs([](const DeviceSlot&) { return true; },
                  [this](DeviceSlot& slot) {
                      incoming_[slot.id.value].touched = true;
                      if (!set_state(slot, DeviceState::resuming)) return;
                      if (!announce(slot)) return;
                      // What a device gives before and after it stops is a stream: the idx of a
                      // packet does not say its place in the state.
                      const bool in_place = !qemu_ && !slot.pre_copies;
                      if (in_place) borrow(slot);
                  })) {
        return false;
    }
    ChannelReceivers::Wiring wiring{.inbound = inbound_.get(), .directory = &directory_};
    for (const auto& slot : devices_) {
        wiring.devices.push_back(slot->identity);
        wiring.lent.push_back(incoming_[slot->id.value].lent);
    }
    wiring.packet_bytes = packet_bytes_;
    wiring.next_packet_bytes_max =
        qemu_ ? settings_.packet_size_max : packet_bytes_ + limits::kStateHeaderBytes;
    wiring.encodings = encodings_;
    wiring.qemu = qemu_;
    wiring.hash = agreed_verify_;
    wiring.fail = [this](Failure failure) { fail(std::move(failure)); };
    wiring.enter = [this](ChannelId id) { placement_->enter(id); };
    wiring.progress = &progress_;
    std::vector<std::string> channel_paths;
    channel_paths.reserve(channels.size());
    for (const auto& channel : channels) {
        channel_paths.push_back(to_string(local_address_of(channel.fd())));
    }
    samples_.watch(channels);
    auto receivers = std::make_unique<ChannelReceivers>(std::move(channels), std::move(wiring));
    {
        const std::scoped_lock lock(plane_mutex_);
        channel_paths_ = std::move(channel_paths);
        receivers_ = std::move(receivers);
    }
    if (failed()) stop_data_plane();
    return !failed();
}

bool DestinationSession::ready_devices() {
    set_up_ = Clock::now();
    set_status(Status::active);
    if (qemu_) return !failed();
    return answer(ReturnPathType::ready);
}

}  // namespace multifd
