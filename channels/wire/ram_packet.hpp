// RAM and SYNC packets of a QEMU channel: decoded to be counted and skipped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "channels/wire/error.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {

//    0  u32   magic, u32 version, u32 flags
//   12  u32   pages allocated      at most kRamPagesMax
//   16  u32   normal pages
//   20  u32   next_packet_size     bytes that follow the header
//   24  u64   packet_num
//   32  u32   zero pages
//   36  [28]  zeros                not judged
//   64  [256] ramblock             NUL-terminated
//  320  u64   offsets[128]
// 1344  pages, compressed as the flags say
inline constexpr std::size_t kRamHeaderBytes = 1344;  ///< For pages of 4 KiB.
inline constexpr std::uint32_t kRamPagesMax = 128;
inline constexpr std::size_t kRamPageBytes = 4096;

enum class RamCompression : std::uint8_t { none, zlib, zstd, qpl, uadk, qatzip };

struct RamPacket {
    std::uint32_t flags = 0;
    bool sync = false;
    RamCompression compression = RamCompression::none;
    std::uint32_t normal_pages = 0;
    std::uint32_t zero_pages = 0;
    std::uint32_t next_packet_bytes = 0;
    std::uint64_t packet_num = 0;
    std::string_view ramblock;  ///< A view of the source; may be empty in SYNC packets.

    bool operator==(const RamPacket&) const = default;
};

/// Errors:    those of decode_packet_prefix(), packet_unexpected (not a RAM packet),
///            packet_too_large, ram_packet_malformed (counts or name contradict the layout).
Result<RamPacket> decode_ram_packet(
    std::span<const std::byte, kRamHeaderBytes> source,
    std::size_t next_packet_bytes_max = limits::kNextPacketBytesMax) noexcept;

}  // namespace multifd
