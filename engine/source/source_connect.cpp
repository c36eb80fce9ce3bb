// The source meets the destination: main channel, hello, control connection, channels.
#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "channels/memory/memory_policy.hpp"
#include "channels/transport/congestion_control.hpp"
#include "channels/transport/connector.hpp"
#include "channels/transport/quiet_thread.hpp"
#include "channels/wire/channel_init.hpp"
#include "engine/session/multifd_choice.hpp"
#include "engine/session/version.hpp"
#include "engine/source/source_session.hpp"

namespace multifd {
namespace {

constexpr std::uint32_t kQemuPing = 1;  // The value QEMU sends first.
constexpr std::uint32_t kDoorPing = 2;  // Its PONG says that the destination awaits our channels.
constexpr std::size_t kConnectThreadsMax = 16;
/// So that small packets do not leave one by one, each with a thread woken for it.
constexpr std::size_t kPoolBytesMin = limits::kMiB;
/// A device that lends waits for the queue alone, and is woken once for half of it. What the queue
/// holds of other devices is bounded by the pool.
constexpr std::size_t kQueuePacketsMin = 16;

}  // namespace

bool SourceSession::fail_main(const ErrorCode& error, const char* doing) {
    // The peer's own bytes or our own will keep their code; a broken socket is the peer's end.
    const bool broken = error.category() != multifd_category();
    fail({.code = broken ? ErrorCode(Errc::peer_closed) : error,
          .detail = std::string(doing) + " on the main channel to " + peer_ +
                    " failed: " + error.message()});
    return false;
}

// Names the path: of several, the user must know which one to look at.
void SourceSession::fail_path(const NetworkPath& path, const std::string& what,
                              const ErrorCode& error, std::optional<ChannelId> channel) {
    const bool system = error.category() != multifd_category();
    const bool source_address = error == Errc::bind_not_local || error == Errc::bind_family_wrong;
    fail({.code = system ? ErrorCode(Errc::connect_failed) : error,
          .detail = what + " to " + describe(path) + ": " + error.message() +
                    (source_address ? "; correct --bind" : "; is the destination listening there?"),
          .channel = channel});
}

bool SourceSession::connect_main() {
    std::string wrong;
    auto paths = network_paths(settings_, wrong);
    if (!paths) {
        fail({.code = paths.error(),
              .detail = "'" + wrong + "' is neither tcp:HOST:PORT nor unix:PATH"});
        return false;
    }
    paths_ = std::move(*paths);
    auto connection = connect(paths_.front(), began_ + common_.connect_timeout, &interrupt_);
    if (!connection) {
        fail_path(paths_.front(), "cannot connect", connection.error());
        return false;
    }
    main_ = std::move(*connection);
    congestion_control_ = congestion_control_of(main_.fd());
    writer_.emplace(main_, interrupt_);
    auto& records = writer_->records();
    records.header();
    records.configuration(qemu_ ? settings_.machine : "multifd");
    records.open_return_path();
    records.ping(qemu_ ? kQemuPing : kHelloPing);
    if (const auto error = writer_->flush(began_ + common_.connect_timeout)) {
        return fail_main(error, "sending the header");
    }
    control_.watch_return_path(main_);
    return true;
}

bool SourceSession::agree_with_destination() {
    if (qemu_) return adopt_for_qemu();
    if (!await_hello() || !send_hello()) return false;
    const auto mail = inbox_.mail();
    auto outcome = agree(hello_, *mail.hello);
    if (const auto* disagreement = std::get_if<Disagreement>(&outcome)) {
        fail({.code = disagreement->code,
              .detail = disagreement->message,
              .device = disagreement->device});
        return false;
    }
    return adopt(std::get<Agreement>(outcome));
}

Hello SourceSession::make_hello() const {
    Hello hello;
    hello.software = software_name();
    hello.channels = settings_.multifd_channels;
    hello.packet_bytes = settings_.packet_size;
    hello.verify = common_.verify;
    hello.switchover_ack = settings_.switchover_ack;
    hello.features = {std::string(kFeatureZeroTail), std::string(kFeatureZeroBlocks),
                      std::string(kFeatureTransferReport)};
    if (wants_compression()) {
        hello.features.emplace_back(kFeatureZstd);
        const bool insists = settings_.multifd_compression == MultifdCompression::zstd;
        if (insists) hello.required.emplace_back(kFeatureZstd);
    }
    if (common_.multifd_pre_copy) hello.features.emplace_back(kFeaturePreCopyChannels);
    for (const auto& slot : devices_) {
        hello.devices.push_back({.identity = slot->identity,
                                 .multifd = choice_of(slot->entry.multifd),
                                 .running = slot->running,
                                 .expected_bytes = slot->expected_bytes.load(),
                                 .pre_copies = slot->pre_copies});
    }
    return hello;
}

// As documented for QEMU's parameter of that name: level 0 compresses nothing.
bool SourceSession::wants_compression() const {
    return settings_.multifd_compression != MultifdCompression::none &&
           settings_.multifd_zstd_level > 0;
}

std::string_view SourceSession::compression_name() const {
    if (!encoding_.zstd) return "none";
    return encoding_.automatic ? "auto" : "zstd";
}

bool SourceSession::await_hello() {
    const auto arrived = [](const ReturnPathMail& mail) { return mail.ponged(kHelloPing); };
    if (!await_mail(arrived, began_ + common_.connect_timeout, "the destination's hello"))
        return false;
    const auto mail = inbox_.mail();
    if (mail.hello && mail.hello->session) return true;
    fail({.code = mail.hello ? Errc::hello_malformed : Errc::hello_missing,
          .detail = mail.hello
                        ? "the destination's hello names no session"
                        : "the other end answered without a hello, as QEMU does; for QEMU use "
                          "--peer qemu"});
    return false;
}

bool SourceSession::send_hello() {
    hello_ = make_hello();
    const auto body = encode(hello_);
    if (!body) {
        fail({.code = body.error(),
              .detail = "the hello would be over 64 KiB; use fewer devices or shorter idstr"});
        return false;
    }
    writer_->records().command(kCommandHello, *body);
    writer_->records().ping(kDoorPing);
    const auto error = writer_->flush(began_ + common_.connect_timeout);
    hello_sent_ = !error;
    return error ? fail_main(error, "sending the hello") : true;
}

bool SourceSession::adopt(const Agreement& agreement) {
    const auto mail = inbox_.mail();
    session_id_ = *mail.hello->session;
    {
        const std::scoped_lock lock(names_mutex_);
        session_text_ = to_string(session_id_);
    }
    packet_bytes_ = agreement.packet_bytes;
    switchover_ack_ = agreement.switchover_ack;
    agreed_verify_ = agreement.verify;
    encoding_ = {.zero_tail = agreement.has(kFeatureZeroTail),
                 .zero_blocks = agreement.has(kFeatureZeroBlocks),
                 .zstd = agreement.has(kFeatureZstd),
                 .automatic = settings_.multifd_compression == MultifdCompression::automatic,
                 .zstd_level = settings_.multifd_zstd_level,
                 .packet_bytes = packet_bytes_,
                 .devices = devices_.size()};
    pre_copy_on_channels_ = agreement.pre_copy_on_channels;
    if (agreement.has(kFeatureTransferReport)) inbox_.expect_transfer_report();
    for (const auto& device : agreement.devices) {
        auto& slot = *devices_[device.source_index];
        slot.multifd = device.multifd;
        slot.pre_copy_on_channels = device.pre_copy_on_channels;
    }
    agreed_ = {{"multifd-channels", agreement.channels},
               {"packet-size", packet_bytes_},
               {"verify", agreed_verify_ ? 1U : 0U},
               {"switchover-ack", switchover_ack_ ? 1U : 0U},
               {"multifd-compression", 0, compression_name()},
               {"multifd-pre-copy", agreement.has(kFeaturePreCopyChannels) ? 1U : 0U, {}}};
    if (!begin_record()) return false;
    log(LogLevel::info, "agreed with " + mail.hello->software + " at " + peer_);
    // A refusal before the channels open says what the destination could not do.
    const auto arrived = [](const ReturnPathMail& now) {
        return now.ponged(kDoorPing) || now.refused;
    };
    return await_mail(arrived, began_ + common_.connect_timeout, "the destination's consent");
}

bool SourceSession::adopt_for_qemu() {
    session_id_ = SessionId{settings_.uuid};
    SessionId own;
    std::random_device random;
    for (auto& byte : own.bytes) byte = static_cast<std::byte>(random() & 0xffU);
    {
        const std::scoped_lock lock(names_mutex_);
        session_text_ = to_string(own);  // For the record: QEMU's stream has no session of its own.
    }
    packet_bytes_ = settings_.packet_size;
    switchover_ack_ = settings_.switchover_ack;
    for (auto& slot : devices_) slot->multifd = slot->entry.multifd != MultifdProperty::off;
    return begin_record();
}

bool SourceSession::await_mail(const ReturnPathInbox::Predicate& arrived, Deadline deadline,
                               const char* what) {
    const bool came = inbox_.wait(arrived, deadline, [this] { return failed(); });
    if (failed()) return false;
    const auto mail = inbox_.mail();
    if (mail.refused && !running_at_) {
        auto failure = failure_of(*mail.refused);
        fail(std::move(failure));
        return false;
    }
    if (came) return true;
    if (!mail.ended) {
        fail({.code = Errc::connect_timeout,
              .detail = std::string(what) + " did not come from " + peer_ +
                        " in time (--connect-timeout)"});
    } else if (mail.error && mail.error.category() == multifd_category()) {
        fail({.code = mail.error,
              .detail = "the return path from " + peer_ + " is damaged: " + mail.error.message()});
    } else {
        fail({.code = Errc::peer_closed,
              .detail = peer_ + " closed the main channel while " + what + " was awaited"});
    }
    return false;
}

Result<Connection> SourceSession::connect_with_init(const NetworkPath& path, std::uint32_t magic,
                                                    std::uint8_t id) {
    const auto deadline = began_ + common_.connect_timeout;
    auto connection = connect(path, deadline, &interrupt_);
    if (!connection) return connection.error();
    std::array<std::byte, kChannelInitBytes> init;
    encode(ChannelInit{.session = session_id_, .id = id}, magic, init);
    if (const auto error = connection->send(init, deadline, &interrupt_)) return error;
    return connection;
}

bool SourceSession::connect_control() {
    auto control = connect_with_init(paths_.front(), kControlMagic, 0);
    if (!control) {
        fail_path(paths_.front(), "the control connection cannot be opened", control.error());
        return false;
    }
    control_.attach(std::move(*control));
    return true;
}

// All or none, and not one after the other: a far destination would cost a round trip each.
bool SourceSession::connect_channels(std::vector<Connection>& channels) {
    std::atomic<std::size_t> next = 0;
    const auto connect_some = [&] {
        for (std::size_t i = next++; i < channels.size() && !failed(); i = next++) {
            const ChannelId id{static_cast<std::uint8_t>(i)};
            const auto& path = paths_[path_of(id, paths_.size())];
            auto channel = connect_with_init(path, kMultifdMagic, id.value);
            if (channel) {
                channels[i] = std::move(*channel);
            } else {
                fail_path(path, "the channel cannot be opened", channel.error(), id);
            }
        }
    };
    const SignalsBlocked blocked;  // The helpers inherit it.
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < std::min(channels.size(), kConnectThreadsMax); ++i) {
        helpers.emplace_back([&] {
            try {
                connect_some();
            } catch (...) {
                fail(failure_of(std::current_exception()));
            }
        });
    }
    connect_some();
    helpers.clear();
    return !failed();
}

bool SourceSession::open_channels() {
    if (!qemu_ && !connect_control()) return false;
    const auto count =
        qemu_ ? settings_.multifd_channels : static_cast<std::uint32_t>(agreed_.front().value);
    std::vector<Connection> channels(count);
    if (!connect_channels(channels)) return false;

    std::vector<std::string> channel_paths;
    channel_paths.reserve(channels.size());
    for (const auto& channel : channels) channel_paths.push_back(channel.peer());
    std::vector<DeviceIdentity> identities;
    for (const auto& slot : devices_) identities.push_back(slot->identity);
    // Each channel sends one buffer and finds the next in the queue; each busy device fills one.
    const auto fillers = std::min<std::size_t>(devices_.size(), 16);
    const auto buffers = std::max(2 * count + fillers, kPoolBytesMin / packet_bytes_);
    place_channels(main_.fd(), count);
    const PreferredNode memory(placement_->node());
    auto pool = std::make_unique<BufferPool>(packet_bytes_, buffers);
    ChannelSenders::Wiring wiring;
    wiring.devices = std::move(identities);
    wiring.queue_packets = std::max({std::size_t{count}, kQueuePacketsMin, buffers / 2});
    wiring.paths = paths_.size();
    wiring.end_mark = !qemu_;
    wiring.encoding = encoding_;
    wiring.fail = [this](Failure failure) {
        add_evidence(failure);
        fail(std::move(failure));
    };
    wiring.enter = [this](ChannelId id) { placement_->enter(id); };
    wiring.progress = &progress_;
    wiring.pacer = &pre_copy_pacer_;  // Until the switchover.
    samples_.watch(channels);
    auto senders = std::make_unique<ChannelSenders>(std::move(channels), std::move(wiring));
    {
        const std::scoped_lock lock(plane_mutex_);
        for (auto& slot : devices_) {
            if (!agreed_verify_ || !slot->multifd) continue;
            outgoing_[slot->id.value].digest =
                std::make_unique<SentDigest>(slot->digest, slot->idx.load());
        }
        channel_paths_ = std::move(channel_paths);
        pool_ = std::move(pool);
        senders_ = std::move(senders);
    }
    main_buffer_.emplace(packet_bytes_, 1);
    if (failed()) stop_data_plane();
    return await_ready();
}

bool SourceSession::await_ready() {
    if (qemu_) return !failed();
    const auto arrived = [](const ReturnPathMail& mail) { return mail.ready || mail.refused; };
    return await_mail(arrived, deadline_in(common_.connect_timeout + common_.stall_timeout),
                      "the destination's READY");
}

}  // namespace multifd
