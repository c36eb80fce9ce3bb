#include "engine/packets/channel_receivers.hpp"

#include <algorithm>

#include "channels/transport/quiet_thread.hpp"
#include "channels/wire/assert.hpp"
#include "channels/wire/ram_packet.hpp"

namespace multifd {

ChannelReceivers::ChannelReceivers(std::vector<Connection> channels, Wiring wiring)
    : wiring_(std::move(wiring)),
      connections_(std::move(channels)),
      counters_(connections_.size()),
      traffic_(wiring_.devices.size()) {
    for (auto& counters : counters_) {
        decoders_.emplace_back(wiring_.encodings, wiring_.packet_bytes, counters);
        hashes_.emplace_back();
    }
    threads_.reserve(connections_.size());
    try {
        for (std::size_t i = 0; i < connections_.size(); ++i) {
            const ChannelId id{static_cast<std::uint8_t>(i)};
            threads_.push_back(start_quiet_thread("multifd-recv", [this, id] { run(id); }));
        }
    } catch (...) {
        // A thread that cannot be had must not leave the others behind.
        wiring_.inbound->abort();
        abort();
        join();
        throw;
    }
}

ChannelReceivers::~ChannelReceivers() {
    abort();
    join();
}

void ChannelReceivers::abort() noexcept {
    for (auto& connection : connections_) connection.shut_down();
}

void ChannelReceivers::join() {
    for (auto& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
}

void ChannelReceivers::run(ChannelId id) noexcept {
    Head head;
    try {
        if (wiring_.enter) wiring_.enter(id);
        receive_all(id, head);
    } catch (...) {
        auto failure = failure_of(std::current_exception());
        failure.channel = id;
        wiring_.fail(std::move(failure));
    }
    counters_[id.value].cpu_ns.add(thread_cpu_ns());
}

void ChannelReceivers::receive_all(ChannelId id, Head& head) {
    for (;;) {
        head.device.reset();
        head.idx.reset();
        const auto next = receive_packet(id, head);
        if (!next) return report(id, head, next.error());
        if (*next == Next::packet) continue;
        Refusal gap;
        if (wiring_.inbound->channel_ended(id, gap)) return;
        head.device = gap.device;
        head.idx = gap.idx;
        return report(id, head, gap.code);
    }
}

Result<ChannelReceivers::Next> ChannelReceivers::receive_packet(ChannelId id, Head& head) {
    auto& connection = connections_[id.value];
    const auto first = std::span(head.bytes).first<kPacketPrefixBytes>();
    const auto begin = connection.receive_full(first);
    if (!begin) return begin.error();
    if (*begin == 0) {
        if (wiring_.qemu) return Next::ended;
        return ErrorCode(Errc::channel_closed_early);
    }
    counters_[id.value].bytes.add(kPacketPrefixBytes);
    const auto prefix = decode_packet_prefix(first, wiring_.encodings);
    if (!prefix) return prefix.error();
    switch (prefix->kind) {
        case PacketKind::channel_end:
            if (wiring_.qemu) return ErrorCode(Errc::packet_flags_unknown);
            return expect_nothing(id);
        case PacketKind::ram:
            if (!wiring_.qemu) return ErrorCode(Errc::packet_unexpected);
            if (const auto skipped = skip_ram(id, head); !skipped) return skipped.error();
            return Next::packet;
        case PacketKind::device_state:
            if (const auto received = receive_state(id, head, prefix->encoding); !received) {
                return received.error();
            }
            return Next::packet;
    }
    return ErrorCode(Errc::packet_flags_unknown);
}

// The mark is the last thing on a channel; the source closes its direction right behind it.
Result<ChannelReceivers::Next> ChannelReceivers::expect_nothing(ChannelId id) {
    std::array<std::byte, 1> more;
    const auto count = connections_[id.value].receive_full(more);
    if (!count) return count.error();
    if (*count != 0) return ErrorCode(Errc::packet_unexpected);
    return Next::ended;
}

Result<> ChannelReceivers::receive_exactly(ChannelId id, std::span<std::byte> target) {
    if (target.empty()) return {};
    const auto count = connections_[id.value].receive_full(target);
    if (!count) return count.error();
    if (*count == 0) return ErrorCode(Errc::channel_closed_early);
    counters_[id.value].bytes.add(target.size());
    return {};
}

Result<DeviceStateHeader> ChannelReceivers::receive_header(ChannelId id, Head& head,
                                                           PacketEncoding encoding) {
    const auto all = std::span(head.bytes);
    const auto rest = receive_exactly(
        id, all.subspan(kPacketPrefixBytes, prologue_bytes(encoding) - kPacketPrefixBytes));
    if (!rest) return rest.error();
    if (encoding == PacketEncoding::raw) {
        return decode_device_state(all.first<kDeviceStatePrologueBytes>(),
                                   wiring_.next_packet_bytes_max);
    }
    return decode_encoded_state(all, wiring_.encodings, wiring_.next_packet_bytes_max);
}

// With `hash` that of what has come to stand in `place`, else 0.
Result<std::uint64_t> ChannelReceivers::receive_payload(ChannelId id,
                                                        const DeviceStateHeader& header,
                                                        std::span<std::byte> place, bool hash) {
    auto& counters = counters_[id.value];
    const bool as_it_is = header.encoding == PacketEncoding::raw;
    const auto receive = [&](std::span<std::byte> target) -> Result<> {
        if (hash && as_it_is) return receive_exactly_and_hash(id, target);
        const auto time = counters.moving.measure();
        return receive_exactly(id, target);
    };
    const auto decoded = decoders_[id.value].decode(header, place, receive);
    if (!decoded) return decoded.error();
    counters.packets.add(1);
    counters.raw_bytes.add(place.size());
    if (!hash) return std::uint64_t{0};
    return as_it_is ? hashes_[id.value].value() : hash_of(place);
}

Result<> ChannelReceivers::receive_exactly_and_hash(ChannelId id, std::span<std::byte> target) {
    hashes_[id.value].restart();
    for (; !target.empty(); target = target.subspan(std::min(target.size(), kHashedAtOnce))) {
        const auto piece = target.first(std::min(target.size(), kHashedAtOnce));
        {
            const auto time = counters_[id.value].moving.measure();
            if (const auto received = receive_exactly(id, piece); !received) return received;
        }
        hashes_[id.value].add(piece);
    }
    return {};
}

Result<> ChannelReceivers::receive_state(ChannelId id, Head& head, PacketEncoding encoding) {
    const auto header = receive_header(id, head, encoding);
    if (!header) return header.error();
    const auto device = wiring_.directory->find(header->idstr, header->instance_id);
    if (!device) {
        head.stranger = header->idstr;
        return ErrorCode(Errc::device_unknown);
    }
    head.device = device;
    head.idx = header->idx;
    if (header->pre_copy && wiring_.qemu) return ErrorCode(Errc::state_flags_unknown);

    Refusal refusal;
    const auto claim = wiring_.inbound->admit(id,
                                              Arrival{.device = *device,
                                                      .idx = header->idx,
                                                      .bytes = header->state_bytes(),
                                                      .config = header->config,
                                                      .pre_copy = header->pre_copy},
                                              refusal);
    if (!claim) {
        head.device = refusal.device;
        head.idx = refusal.idx;
        return refusal.code;
    }
    const auto place = place_of(*claim);
    if (!place) return place.error();
    // A config state's hash leaves out its tokens: its load thread takes it.
    const auto hash = receive_payload(id, *header, *place, wiring_.hash && !claim->config);
    if (!hash) return hash.error();
    traffic_[device->value].add(prologue_bytes(encoding) + header->data_bytes,
                                encoding != PacketEncoding::raw);
    wiring_.inbound->received(*claim, *hash);
    wiring_.progress->fetch_add(1, std::memory_order_relaxed);
    return {};
}

// Where the payload belongs: in the device's own memory if it lends, else in the claimed buffer.
// The idx is ours alone since it was claimed, so nothing that arrived before is overwritten.
Result<std::span<std::byte>> ChannelReceivers::place_of(const Claim& claim) const {
    const auto lent = wiring_.lent[claim.device.value];
    if (lent.empty() || claim.config) return wiring_.inbound->buffer(claim);
    const auto offset = std::uint64_t{claim.idx} * wiring_.packet_bytes;
    if (offset > lent.size() || claim.bytes > lent.size() - offset) {
        return ErrorCode(Errc::packet_too_large);
    }
    const bool last = offset + claim.bytes == lent.size();
    if (!last && claim.bytes != wiring_.packet_bytes) return ErrorCode(Errc::packet_size_disagree);
    return lent.subspan(offset, claim.bytes);
}

Result<> ChannelReceivers::skip_ram(ChannelId id, const Head& head) {
    std::array<std::byte, kRamHeaderBytes> packet;
    std::ranges::copy(std::span(head.bytes).first<kPacketPrefixBytes>(), packet.begin());
    const auto rest = receive_exactly(id, std::span(packet).subspan<kPacketPrefixBytes>());
    if (!rest) return rest.error();
    const auto ram = decode_ram_packet(packet, wiring_.next_packet_bytes_max);
    if (!ram) return ram.error();
    std::array<std::byte, 16 * limits::kKiB> dropped;
    for (std::size_t left = ram->next_packet_bytes; left > 0;) {
        const auto piece = std::span(dropped).first(std::min(left, dropped.size()));
        if (const auto read = receive_exactly(id, piece); !read) return read.error();
        left -= piece.size();
    }
    return {};
}

void ChannelReceivers::report(ChannelId id, const Head& head, ErrorCode error) {
    if (error == Errc::cancelled) return;  // The session has failed already and says why.
    const bool broken = error.category() != multifd_category();
    Failure failure{.code = broken ? ErrorCode(Errc::channel_closed_early) : error,
                    .detail = error.message(),
                    .idx = head.idx,
                    .channel = id};
    if (head.device) failure.device = wiring_.devices[head.device->value];
    if (error == Errc::device_unknown) {
        failure.detail = "a packet names \"" + head.stranger +
                         "\", a device that this end does not have; give both ends the same "
                         "--device list";
    }
    wiring_.fail(std::move(failure));
}

}  // namespace multifd
