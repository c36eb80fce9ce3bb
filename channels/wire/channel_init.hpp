// The first 64 bytes of a channel, and how a destination tells its connections apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "channels/wire/error.hpp"
#include "channels/wire/ids.hpp"

namespace multifd {

//    0  u32  magic     kMultifdMagic, or kControlMagic
//    4  u32  version   1
//    8  [16] session   the uuid every channel of a migration carries
//   24  u8   id        0 to channels - 1; 0 on the control connection
//   25  [39] zeros     not judged
inline constexpr std::size_t kChannelInitBytes = 64;
inline constexpr std::uint32_t kStreamMagic = 0x5145564d;  // "QEVM": a main channel.
inline constexpr std::uint32_t kMultifdMagic = 0x11223344;
inline constexpr std::uint32_t kControlMagic = 0x4d464443;  // "MFDC": our control connection.
inline constexpr std::uint32_t kMultifdVersion = 1;

enum class ConnectionKind { main_channel, channel, control };

/// What a connection is, by its first four bytes; else connection_kind_unknown.
Result<ConnectionKind> classify(std::span<const std::byte, 4> first) noexcept;

struct ChannelInit {
    SessionId session;
    std::uint8_t id = 0;

    bool operator==(const ChannelInit&) const = default;
};

/// Writes every byte of `target`.
void encode(const ChannelInit& init, std::uint32_t magic,
            std::span<std::byte, kChannelInitBytes> target) noexcept;

/// Accepts either magic; whether the id is below the agreed number of channels is the caller's to
/// check.
/// Errors:    channel_magic_wrong, channel_version_wrong, channel_id_invalid (255, or a control
///            connection that is not 0).
Result<ChannelInit> decode_channel_init(
    std::span<const std::byte, kChannelInitBytes> source) noexcept;

}  // namespace multifd
