// Packets of a channel: the common prefix, device-state packets, and the mark that ends a channel.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "channels/wire/error.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {

//    0  u32   magic             kMultifdMagic
//    4  u32   version           1
//    8  u32   flags             kPacketDeviceState alone
//   12  [256] idstr             NUL-terminated, NUL-padded
//  268  u32   instance_id
//  272  u32   next_packet_size  bytes that follow: 12 + data
//  276  u32   version           0
//  280  u32   idx
//  284  u32   packet flags      bit 0: CONFIG_STATE
//  288  data
inline constexpr std::size_t kPacketPrefixBytes = 12;
inline constexpr std::size_t kDeviceStatePrologueBytes = 288;
inline constexpr std::size_t kDeviceStateHeaderBytes =
    kDeviceStatePrologueBytes - limits::kStateHeaderBytes;

inline constexpr std::uint32_t kPacketSync = 0x01;
inline constexpr std::uint32_t kPacketCompressionMask = 0x3e;
inline constexpr std::uint32_t kPacketDeviceState = 0x40;
/// Ours, between multifd ends only: nothing follows on this channel. A packet of 12 bytes.
inline constexpr std::uint32_t kPacketChannelEnd = 0x80000000;

enum class PacketKind { device_state, ram, channel_end };  ///< SYNC has the layout of `ram`.

struct PacketPrefix {
    PacketKind kind = PacketKind::ram;
    std::uint32_t flags = 0;
};

/// Errors:    packet_magic_wrong, packet_version_wrong, packet_flags_unknown,
///            packet_compression_unsupported (a compressed device-state packet).
Result<PacketPrefix> decode_packet_prefix(
    std::span<const std::byte, kPacketPrefixBytes> source) noexcept;

struct DeviceStateHeader {
    std::string_view idstr;  ///< 1 to 255 bytes; after decoding a view of the source.
    std::uint32_t instance_id = 0;
    std::uint32_t idx = 0;
    bool config = false;
    std::uint32_t data_bytes = 0;  ///< What follows the 288 bytes.

    bool operator==(const DeviceStateHeader&) const = default;
};

/// Writes every byte of `target`: the bytes QEMU writes. `header` is within the limits (asserted).
void encode(const DeviceStateHeader& header,
            std::span<std::byte, kDeviceStatePrologueBytes> target);

/// `next_packet_bytes_max` caps next_packet_size of state buffers; a config state has its own cap.
/// Errors:    those of the prefix, packet_unexpected (another kind of packet), idstr_invalid,
///            packet_too_small, packet_too_large, state_version_wrong, state_flags_unknown,
///            idx_reserved, config_too_large, config_malformed (too small for its two tokens).
Result<DeviceStateHeader> decode_device_state(
    std::span<const std::byte, kDeviceStatePrologueBytes> source,
    std::size_t next_packet_bytes_max = limits::kNextPacketBytesMax) noexcept;

/// Writes every byte of `target`.
void encode_channel_end(std::span<std::byte, kPacketPrefixBytes> target) noexcept;

/// A config packet's data is config_state_token(), the device's bytes, end_of_state_token().
std::array<std::byte, limits::kConfigTokenBytes> config_state_token() noexcept;
std::array<std::byte, limits::kConfigTokenBytes> end_of_state_token() noexcept;

/// The device's bytes in a config packet's data.
/// Errors:    config_malformed, config_too_large.
Result<std::span<const std::byte>> unwrap_config(std::span<const std::byte> packet_data) noexcept;

}  // namespace multifd
