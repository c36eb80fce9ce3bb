#include "engine/packets/channel_senders.hpp"

#include <algorithm>
#include <array>

#include "channels/transport/quiet_thread.hpp"
#include "channels/wire/assert.hpp"
#include "channels/wire/device_state_packet.hpp"
#include "engine/paths/network_paths.hpp"

namespace multifd {
namespace {

// Enough for the kernel to go on with until a thread comes back; 10 ms at 100 Mbit/s.
constexpr int kUnsentBytesOfSlowPath = 128 * 1024;

}  // namespace

ChannelSenders::ChannelSenders(std::vector<Connection> channels, Wiring wiring)
    : wiring_(std::move(wiring)),
      pacer_(wiring_.pacer),
      connections_(std::move(channels)),
      counters_(connections_.size()),
      traffic_(wiring_.devices.size()),
      queue_(wiring_.queue_packets, (wiring_.queue_packets + 1) / 2) {
    for (auto& counters : counters_) {
        encoders_.emplace_back(wiring_.encoding, counters);
        hashes_.emplace_back();
    }
    threads_.reserve(connections_.size());
    try {
        for (std::size_t i = 0; i < connections_.size(); ++i) {
            const ChannelId id{static_cast<std::uint8_t>(i)};
            threads_.push_back(start_quiet_thread("multifd-send", [this, id] { run(id); }));
        }
    } catch (...) {
        // A thread that cannot be had must not leave the others behind.
        abort();
        join();
        throw;
    }
}

ChannelSenders::~ChannelSenders() {
    abort();
    join();
}

bool ChannelSenders::submit(OutboundPacket packet) {
    return queue_.push(std::move(packet));
}

void ChannelSenders::finish() {
    queue_.close();
    for (auto& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
}

void ChannelSenders::abort() noexcept {
    aborted_ = true;
    queue_.abort();
    for (auto& connection : connections_) connection.shut_down();
}

void ChannelSenders::join() {
    for (auto& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
    connections_.clear();
}

void ChannelSenders::run(ChannelId id) noexcept {
    try {
        if (wiring_.enter) wiring_.enter(id);
        send_all(id);
    } catch (...) {
        auto failure = failure_of(std::current_exception());
        failure.channel = id;
        wiring_.fail(std::move(failure));
    }
    counters_[id.value].cpu_ns.add(thread_cpu_ns());
}

// What stands in the kernel of a slow path when the others are done is what everybody waits for. A
// fast one needs it to be fast, so it is a channel's own rate that decides.
void ChannelSenders::keep_short_if_slow(ChannelId id, bool& is_short) {
    if (is_short || wiring_.paths < 2) return;
    const auto effort_of = [this](ChannelId channel) {
        const auto& counters = counters_[channel.value];
        return ChannelEffort{.path = path_of(channel, wiring_.paths),
                             .bytes = counters.bytes.value(),
                             .busy_us = counters.moving.us()};
    };
    for (std::size_t i = 0; i < counters_.size() && !is_short; ++i) {
        const ChannelId other{static_cast<std::uint8_t>(i)};
        is_short = is_slow_beside(effort_of(id), effort_of(other));
    }
    if (is_short) connections_[id.value].limit_unsent(kUnsentBytesOfSlowPath);
}

void ChannelSenders::send_all(ChannelId id) {
    bool is_short = false;
    while (auto packet = queue_.pop()) {
        if (const auto error = send_packet(id, *packet)) {
            if (error == Errc::cancelled) return;
            wiring_.fail({.code = Errc::channel_closed_early,
                          .detail = "sending failed: " + error.message(),
                          .device = wiring_.devices[packet->device.value],
                          .idx = packet->idx,
                          .channel = id});
            return;
        }
        wiring_.progress->fetch_add(1, std::memory_order_relaxed);
        keep_short_if_slow(id, is_short);
    }
    // An end mark says that everything was sent; after an abort it would turn the peer's question
    // from "who closed this?" into "what is missing?".
    if (!aborted_) end_channel(id);
}

ErrorCode ChannelSenders::send_packet(ChannelId id, const OutboundPacket& packet) {
    auto& counters = counters_[id.value];
    auto& encoder = encoders_[id.value];
    const auto& identity = wiring_.devices[packet.device.value];
    const auto flags = packet.pre_copy ? kStateFlagPreCopy : 0U;
    // A compressor wants the bytes in cache as well, and its choice knows what sending alone takes.
    const bool hash_first = packet.digest != nullptr && wiring_.encoding.zstd;
    std::uint64_t hash = hash_first ? hash_of(packet.data) : 0;
    const auto encoded = packet.config ? EncodedPacket{PacketEncoding::raw, packet.data}
                                       : encoder.encode(packet.device, packet.data);
    const bool raw = encoded.encoding == PacketEncoding::raw;
    const auto raw_bytes = static_cast<std::uint32_t>(packet.data.size());
    std::array<std::byte, kEncodedPrologueBytes> target;
    const auto prologue =
        encode(DeviceStateHeader{.idstr = identity.idstr,
                                 .instance_id = identity.instance_id,
                                 .idx = packet.idx,
                                 .config = packet.config,
                                 .pre_copy = packet.pre_copy,
                                 .data_bytes = static_cast<std::uint32_t>(encoded.bytes()),
                                 .encoding = encoded.encoding,
                                 .raw_bytes = raw ? 0 : raw_bytes},
               std::span(target));
    const bool hash_now = packet.digest != nullptr && !hash_first;
    if (hash_now && may_interleave(encoded)) {
        const auto sent = hash_and_send(id, prologue, encoded.data, packet.data);
        if (!sent) return sent.error();
        hash = *sent;
    } else {
        if (hash_now) hash = hash_of(packet.data);
        const auto time = counters.moving.measure();
        const auto error = send(connections_[id.value], prologue, encoded);
        if (error) return error;
    }
    if (packet.digest != nullptr) packet.digest->add({packet.idx, flags, raw_bytes, hash});
    const auto wire_bytes = prologue.size() + encoded.bytes();
    if (!packet.config) encoder.sent(wire_bytes);
    counters.packets.add(1);
    counters.bytes.add(wire_bytes);
    counters.raw_bytes.add(raw_bytes);
    traffic_[packet.device.value].add(wire_bytes, !raw);
    return {};
}

// What travels is the state or its beginning, and no rate holds it back in pieces of its own.
bool ChannelSenders::may_interleave(const EncodedPacket& packet) const noexcept {
    const auto* pacer = pacer_.load(std::memory_order_acquire);
    return packet.runs.empty() && (pacer == nullptr || !pacer->limited());
}

// Each piece is read from memory once, for the hash and for the socket. `data` is what travels of
// `state`: all of it, or its beginning.
Result<std::uint64_t> ChannelSenders::hash_and_send(ChannelId id, std::span<const std::byte> header,
                                                    std::span<const std::byte> data,
                                                    std::span<const std::byte> state) {
    MULTIFD_ASSERT(data.empty() || data.data() == state.data());
    auto& hash = hashes_[id.value];
    hash.restart();
    for (bool first = true; first || !state.empty(); first = false) {
        const auto piece = state.first(std::min(state.size(), kHashedAtOnce));
        state = state.subspan(piece.size());
        hash.add(piece);
        const auto part = data.first(std::min(data.size(), piece.size()));
        data = data.subspan(part.size());
        if (!first && part.empty()) continue;
        const auto time = counters_[id.value].moving.measure();
        const auto then = data.empty() ? Then::nothing : Then::more;
        auto& connection = connections_[id.value];
        const auto error =
            first ? connection.send(header, part, then) : connection.send(part, {}, then);
        if (error) return error;
    }
    return hash.value();
}

// Held to a rate, a packet leaves in pieces, so that a large one at a low rate is no burst.
ErrorCode ChannelSenders::send(Connection& connection, std::span<const std::byte> header,
                               const EncodedPacket& packet) {
    const auto data = packet.data;
    auto* pacer = pacer_.load(std::memory_order_acquire);
    if (pacer == nullptr || !pacer->limited()) return connection.send(header, data, packet.runs);
    auto piece = data.first(std::min(data.size(), pacer->piece_bytes()));
    if (!pacer->take(header.size() + piece.size())) return Errc::cancelled;
    auto error = connection.send(header, piece);
    if (!error) error = send_paced(connection, data.subspan(piece.size()));
    for (std::size_t i = 0; !error && i < packet.runs.size(); ++i) {
        error = send_paced(connection, packet.runs[i]);
    }
    return error;
}

ErrorCode ChannelSenders::send_paced(Connection& connection, std::span<const std::byte> rest) {
    while (!rest.empty()) {
        auto* pacer = pacer_.load(std::memory_order_acquire);  // A switchover waits for no old one.
        const auto piece = rest.first(std::min(rest.size(), pacer->piece_bytes()));
        if (!pacer->take(piece.size())) return Errc::cancelled;
        if (const auto error = connection.send(piece)) return error;
        rest = rest.subspan(piece.size());
    }
    return {};
}

void ChannelSenders::end_channel(ChannelId id) {
    auto& connection = connections_[id.value];
    // A QEMU peer treats a closed channel as trouble while it loads, so there it stays open.
    if (!wiring_.end_mark) return;
    std::array<std::byte, kPacketPrefixBytes> mark;
    encode_channel_end(mark);
    if (const auto error = connection.send(mark)) {
        wiring_.fail({.code = Errc::channel_closed_early,
                      .detail = "sending failed: " + error.message(),
                      .channel = id});
        return;
    }
    counters_[id.value].bytes.add(mark.size());
    connection.half_close();
}

}  // namespace multifd
