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
//    8  u32   flags             kPacketDeviceState, alone or with one encoding
//   12  [256] idstr             NUL-terminated, NUL-padded
//  268  u32   instance_id
//  272  u32   next_packet_size  bytes that follow offset 276
//  276  u32   version           0
//  280  u32   idx
//  284  u32   packet flags      bit 0: CONFIG_STATE; bit 31: PRE_COPY (ours)
//  288  data; or, of an encoded packet (ours, when agreed):
//  288  u32   raw_size          bytes of state that the data stands for
//  292  data
inline constexpr std::size_t kPacketPrefixBytes = 12;
inline constexpr std::size_t kDeviceStatePrologueBytes = 288;
inline constexpr std::size_t kEncodedPrologueBytes = kDeviceStatePrologueBytes + 4;
inline constexpr std::size_t kDeviceStateHeaderBytes =
    kDeviceStatePrologueBytes - limits::kStateHeaderBytes;

inline constexpr std::uint32_t kPacketSync = 0x01;
inline constexpr std::uint32_t kPacketCompressionMask = 0x3e;
inline constexpr std::uint32_t kPacketZstd = 0x04;  ///< In the compression field.
inline constexpr std::uint32_t kPacketDeviceState = 0x40;
/// Ours, with kPacketDeviceState: the data is followed by zeros that are not sent.
inline constexpr std::uint32_t kPacketZeroTail = 0x40000000;
/// Ours, with kPacketDeviceState: blocks of zeros anywhere in the data are not sent.
inline constexpr std::uint32_t kPacketZeroBlocks = 0x20000000;
/// Ours, between multifd ends only: nothing follows on this channel. A packet of 12 bytes.
inline constexpr std::uint32_t kPacketChannelEnd = 0x80000000;

/// The packet flags of a device-state packet.
inline constexpr std::uint32_t kStateFlagConfig = 0x00000001;
/// Ours, when agreed: read while the device still ran.
inline constexpr std::uint32_t kStateFlagPreCopy = 0x80000000;

enum class PacketKind { device_state, ram, channel_end };  ///< SYNC has the layout of `ram`.

/// How a state buffer's bytes stand in its packet. QEMU's are `raw`; so is every config state.
enum class PacketEncoding : std::uint8_t {
    raw,
    zstd,         ///< One zstd frame.
    zero_tail,    ///< The first bytes; all that follow are zero. Without any data: a zero packet.
    zero_blocks,  ///< A map of blocks, then those that are not zero; see zero_blocks.hpp.
};

/// The encodings that were agreed, besides raw.
struct PacketEncodings {
    bool zstd = false;
    bool zero_tail = false;
    bool zero_blocks = false;
};
inline constexpr PacketEncodings kEveryEncoding{
    .zstd = true, .zero_tail = true, .zero_blocks = true};

struct PacketPrefix {
    PacketKind kind = PacketKind::ram;
    std::uint32_t flags = 0;
    PacketEncoding encoding = PacketEncoding::raw;  ///< Of device state.
};

/// What stands before a device-state packet's data.
[[nodiscard]] constexpr std::size_t prologue_bytes(PacketEncoding encoding) noexcept {
    return encoding == PacketEncoding::raw ? kDeviceStatePrologueBytes : kEncodedPrologueBytes;
}

/// Errors:    packet_magic_wrong, packet_version_wrong, packet_flags_unknown,
///            packet_compression_unsupported (a compressed device-state packet that is not
///            agreed; any other encoding that is not is packet_flags_unknown).
Result<PacketPrefix> decode_packet_prefix(std::span<const std::byte, kPacketPrefixBytes> source,
                                          PacketEncodings agreed = {}) noexcept;

struct DeviceStateHeader {
    std::string_view idstr;  ///< 1 to 255 bytes; after decoding a view of the source.
    std::uint32_t instance_id = 0;
    std::uint32_t idx = 0;
    bool config = false;
    bool pre_copy = false;         ///< Not together with `config`.
    std::uint32_t data_bytes = 0;  ///< What follows the prologue.
    PacketEncoding encoding = PacketEncoding::raw;
    std::uint32_t raw_bytes = 0;  ///< Of an encoded packet; 0 of a raw one.

    /// Bytes of state that the packet stands for.
    [[nodiscard]] std::uint32_t state_bytes() const noexcept {
        return encoding == PacketEncoding::raw ? data_bytes : raw_bytes;
    }
    bool operator==(const DeviceStateHeader&) const = default;
};

/// Writes every byte of `target`: the bytes QEMU writes, but for `pre_copy`. `header` is raw and
/// within the limits (asserted).
void encode(const DeviceStateHeader& header,
            std::span<std::byte, kDeviceStatePrologueBytes> target);
/// Of any encoding; returns the part of `target` that was written, prologue_bytes() long. An
/// encoded packet is smaller than what it stands for, and no config state (asserted).
std::span<std::byte> encode(const DeviceStateHeader& header,
                            std::span<std::byte, kEncodedPrologueBytes> target);

/// `next_packet_bytes_max` caps next_packet_size of state buffers; a config state has its own cap.
/// Errors:    those of the prefix, packet_unexpected (another kind of packet), idstr_invalid,
///            packet_too_small, packet_too_large, state_version_wrong, state_flags_unknown,
///            idx_reserved, config_too_large, config_malformed (too small for its two tokens).
Result<DeviceStateHeader> decode_device_state(
    std::span<const std::byte, kDeviceStatePrologueBytes> source,
    std::size_t next_packet_bytes_max = limits::kNextPacketBytesMax) noexcept;

/// Of an encoded packet; the bytes it stands for are within `next_packet_bytes_max` too, as if they
/// had been sent.
/// Errors:    those above; packet_unexpected (a raw packet); raw_size_wrong (it does not shrink, or
///            zstd without a byte); zero_blocks_malformed (no room for the map).
Result<DeviceStateHeader> decode_encoded_state(
    std::span<const std::byte, kEncodedPrologueBytes> source, PacketEncodings agreed,
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
