// Every cap of the protocol, and how they relate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace multifd::limits {

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;
inline constexpr std::size_t kGiB = 1024 * kMiB;

// Identities.
inline constexpr std::size_t kIdstrBytesMax =
    255;  ///< One length byte; a 256-byte field with its NUL.
inline constexpr std::size_t kIdstrFieldBytes = 256;
inline constexpr std::size_t kChannelsMin = 1;
inline constexpr std::size_t kChannelsMax = 255;  ///< The id is one byte; 255 stays unused.
inline constexpr std::size_t kDevicesMax = 4096;

// Packets.
inline constexpr std::size_t kStateHeaderBytes =
    12;  ///< version, idx, flags: part of next_packet_size.
inline constexpr std::size_t kNextPacketBytesMin = kStateHeaderBytes;
inline constexpr std::size_t kNextPacketBytesMax = 16 * kMiB;  ///< Default cap of next_packet_size.
inline constexpr std::uint32_t kIdxReserved = std::numeric_limits<std::uint32_t>::max();
inline constexpr std::size_t kPacketDataBytesMin =
    4 * kKiB;  ///< Smallest packet size a session may agree.
inline constexpr std::size_t kPacketDataBytesMax =
    16 * kMiB;  ///< Largest; its cap is this plus the header.
inline constexpr std::size_t kPacketDataBytesDefault = kMiB;
inline constexpr std::size_t kConfigStateBytesMax = kMiB;  ///< What lies between the two tokens.
inline constexpr std::size_t kConfigTokenBytes = 8;
inline constexpr std::size_t kConfigPacketDataBytesMax =
    kConfigStateBytesMax + 2 * kConfigTokenBytes;

// Main channel.
inline constexpr std::size_t kMachineNameBytesMax = 255;
inline constexpr std::size_t kCommandBytesMax = 65535;
inline constexpr std::size_t kHelloBytesMax = 65535;  ///< One command: at most 64 KiB.
inline constexpr std::size_t kVmDescriptionBytesMax = 64 * kMiB;
inline constexpr std::size_t kHostSectionBytesMax = kMiB;
inline constexpr std::size_t kErrorTextBytesMax = 1024;

// Memory.
inline constexpr std::size_t kQueuedBytesDefault = 256 * kMiB;
inline constexpr std::size_t kPageBytes = 4096;

static_assert(kIdstrFieldBytes == kIdstrBytesMax + 1);
static_assert(kConfigPacketDataBytesMax + kStateHeaderBytes < kNextPacketBytesMax);
static_assert(kPacketDataBytesMin % kPageBytes == 0);
static_assert(kHelloBytesMax <= kCommandBytesMax);
static_assert(kErrorTextBytesMax < kCommandBytesMax);

}  // namespace multifd::limits
