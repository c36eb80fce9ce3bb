#include "channels/wire/ram_packet.hpp"

#include <algorithm>
#include <bit>

#include "channels/wire/big_endian.hpp"
#include "channels/wire/device_state_packet.hpp"

namespace multifd {
namespace {

RamCompression compression_of(std::uint32_t flags) noexcept {
    // The field is bits 1 to 5 and at most one of them is set: decode_packet_prefix() checked.
    const std::uint32_t field = (flags & kPacketCompressionMask) >> 1U;
    return field == 0 ? RamCompression::none
                      : static_cast<RamCompression>(std::countr_zero(field) + 1);
}

bool counts_consistent(const RamPacket& packet, std::uint32_t pages_allocated) noexcept {
    if (pages_allocated > kRamPagesMax || packet.normal_pages > kRamPagesMax ||
        packet.zero_pages > kRamPagesMax - packet.normal_pages) {
        return false;
    }
    const bool plain = packet.compression == RamCompression::none;
    return !plain || packet.next_packet_bytes == packet.normal_pages * kRamPageBytes;
}

}  // namespace

Result<RamPacket> decode_ram_packet(std::span<const std::byte, kRamHeaderBytes> source,
                                    std::size_t next_packet_bytes_max) noexcept {
    const auto prefix = decode_packet_prefix(source.first<kPacketPrefixBytes>());
    if (!prefix) return prefix.error();
    if (prefix->kind != PacketKind::ram) return make_error_code(Errc::packet_unexpected);

    RamPacket packet;
    packet.flags = prefix->flags;
    packet.sync = (prefix->flags & kPacketSync) != 0;
    packet.compression = compression_of(prefix->flags);
    packet.normal_pages = load_at<std::uint32_t, 16>(source);
    packet.next_packet_bytes = load_at<std::uint32_t, 20>(source);
    packet.packet_num = load_at<std::uint64_t, 24>(source);
    packet.zero_pages = load_at<std::uint32_t, 32>(source);
    if (packet.next_packet_bytes > next_packet_bytes_max) {
        return make_error_code(Errc::packet_too_large);
    }
    const auto field = source.subspan<64, limits::kIdstrFieldBytes>();
    const auto end = std::ranges::find(field, std::byte{0});
    const bool has_pages = packet.normal_pages + packet.zero_pages != 0;
    if (end == field.end() || (has_pages && end == field.begin()) ||
        !counts_consistent(packet, load_at<std::uint32_t, 12>(source))) {
        return make_error_code(Errc::ram_packet_malformed);
    }
    packet.ramblock = text_of(field.first(static_cast<std::size_t>(end - field.begin())));
    return packet;
}

}  // namespace multifd
