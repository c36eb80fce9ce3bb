#include "channels/wire/device_state_packet.hpp"

#include <algorithm>
#include <optional>

#include "channels/wire/assert.hpp"
#include "channels/wire/big_endian.hpp"
#include "channels/wire/channel_init.hpp"
#include "channels/wire/stream_events.hpp"
#include "channels/wire/zero_blocks.hpp"

namespace multifd {
namespace {

constexpr std::uint32_t kStateVersion = 0;

std::array<std::byte, limits::kConfigTokenBytes> token_bytes(std::uint64_t token) noexcept {
    std::array<std::byte, limits::kConfigTokenBytes> bytes{};
    store_at<0>(std::span(bytes), token);
    return bytes;
}

/// The name in a NUL-padded field; absent when it is empty, has no NUL, or bytes after its NUL.
std::optional<std::string_view> padded_idstr(
    std::span<const std::byte, limits::kIdstrFieldBytes> field) noexcept {
    const auto end = std::ranges::find(field, std::byte{0});
    if (end == field.begin() || end == field.end()) return std::nullopt;
    if (std::any_of(end, field.end(), [](std::byte byte) { return byte != std::byte{0}; })) {
        return std::nullopt;
    }
    return text_of(field.first(static_cast<std::size_t>(end - field.begin())));
}

constexpr std::size_t kRawSizeBytes = kEncodedPrologueBytes - kDeviceStatePrologueBytes;

std::uint32_t flags_of(PacketEncoding encoding) noexcept {
    switch (encoding) {
        case PacketEncoding::raw:
            return kPacketDeviceState;
        case PacketEncoding::zstd:
            return kPacketDeviceState | kPacketZstd;
        case PacketEncoding::zero_tail:
            return kPacketDeviceState | kPacketZeroTail;
        case PacketEncoding::zero_blocks:
            return kPacketDeviceState | kPacketZeroBlocks;
    }
    return kPacketDeviceState;
}

Errc judge_sizes(std::uint32_t next_packet_bytes, bool config,
                 std::size_t next_packet_bytes_max) noexcept {
    if (next_packet_bytes < limits::kNextPacketBytesMin) return Errc::packet_too_small;
    const std::size_t data_bytes = next_packet_bytes - limits::kStateHeaderBytes;
    if (!config) {
        return next_packet_bytes > next_packet_bytes_max ? Errc::packet_too_large : Errc::ok;
    }
    if (data_bytes > limits::kConfigPacketDataBytesMax) return Errc::config_too_large;
    return data_bytes < 2 * limits::kConfigTokenBytes ? Errc::config_malformed : Errc::ok;
}

/// The 288 bytes that every encoding begins with; `header` has its sizes and encoding.
void encode_common(const DeviceStateHeader& header,
                   std::span<std::byte, kDeviceStatePrologueBytes> target,
                   std::size_t next_packet_bytes) {
    MULTIFD_ASSERT(!header.idstr.empty() && header.idstr.size() <= limits::kIdstrBytesMax);
    MULTIFD_ASSERT(header.idstr.find('\0') == std::string_view::npos);
    MULTIFD_ASSERT(header.idx != limits::kIdxReserved);
    MULTIFD_ASSERT(next_packet_bytes <= UINT32_MAX);
    MULTIFD_ASSERT(!(header.config && header.pre_copy));
    std::ranges::fill(target, std::byte{0});
    store_at<0>(target, kMultifdMagic);
    store_at<4>(target, kMultifdVersion);
    store_at<8>(target, flags_of(header.encoding));
    std::ranges::copy(bytes_of(header.idstr), target.begin() + 12);
    store_at<268>(target, header.instance_id);
    store_at<272>(target, static_cast<std::uint32_t>(next_packet_bytes));
    store_at<276>(target, kStateVersion);
    store_at<280>(target, header.idx);
    store_at<284>(target, (header.config ? kStateFlagConfig : 0U) |
                              (header.pre_copy ? kStateFlagPreCopy : 0U));
}

/// All but the sizes.
Result<DeviceStateHeader> decode_common(
    std::span<const std::byte, kDeviceStatePrologueBytes> source, PacketEncodings agreed) noexcept {
    const auto prefix = decode_packet_prefix(source.first<kPacketPrefixBytes>(), agreed);
    if (!prefix) return prefix.error();
    if (prefix->kind != PacketKind::device_state) return make_error_code(Errc::packet_unexpected);
    const auto idstr = padded_idstr(source.subspan<12, limits::kIdstrFieldBytes>());
    if (!idstr) return make_error_code(Errc::idstr_invalid);
    if (load_at<std::uint32_t, 276>(source) != kStateVersion) {
        return make_error_code(Errc::state_version_wrong);
    }
    const auto packet_flags = load_at<std::uint32_t, 284>(source);
    if (packet_flags != 0 && packet_flags != kStateFlagConfig &&
        packet_flags != kStateFlagPreCopy) {
        return make_error_code(Errc::state_flags_unknown);
    }

    DeviceStateHeader header{.idstr = *idstr,
                             .instance_id = load_at<std::uint32_t, 268>(source),
                             .idx = load_at<std::uint32_t, 280>(source),
                             .config = packet_flags == kStateFlagConfig,
                             .pre_copy = packet_flags == kStateFlagPreCopy,
                             .encoding = prefix->encoding};
    if (header.idx == limits::kIdxReserved) return make_error_code(Errc::idx_reserved);
    return header;
}

}  // namespace

Result<PacketPrefix> decode_packet_prefix(std::span<const std::byte, kPacketPrefixBytes> source,
                                          PacketEncodings agreed) noexcept {
    if (load_at<std::uint32_t, 0>(source) != kMultifdMagic) {
        return make_error_code(Errc::packet_magic_wrong);
    }
    if (load_at<std::uint32_t, 4>(source) != kMultifdVersion) {
        return make_error_code(Errc::packet_version_wrong);
    }
    const auto flags = load_at<std::uint32_t, 8>(source);
    if (flags == kPacketChannelEnd) return PacketPrefix{PacketKind::channel_end, flags};
    const auto is_state_as = [flags](PacketEncoding encoding) {
        return flags == flags_of(encoding);
    };
    if (is_state_as(PacketEncoding::raw)) return PacketPrefix{PacketKind::device_state, flags};
    if (agreed.zstd && is_state_as(PacketEncoding::zstd)) {
        return PacketPrefix{PacketKind::device_state, flags, PacketEncoding::zstd};
    }
    if (agreed.zero_tail && is_state_as(PacketEncoding::zero_tail)) {
        return PacketPrefix{PacketKind::device_state, flags, PacketEncoding::zero_tail};
    }
    if (agreed.zero_blocks && is_state_as(PacketEncoding::zero_blocks)) {
        return PacketPrefix{PacketKind::device_state, flags, PacketEncoding::zero_blocks};
    }
    if ((flags & ~kPacketCompressionMask) == kPacketDeviceState) {
        return make_error_code(Errc::packet_compression_unsupported);
    }
    if ((flags & ~(kPacketSync | kPacketCompressionMask)) != 0) {
        return make_error_code(Errc::packet_flags_unknown);
    }
    const std::uint32_t compression = flags & kPacketCompressionMask;
    // Each method is one bit of the field; no packet uses two.
    if ((compression & (compression - 1)) != 0) return make_error_code(Errc::packet_flags_unknown);
    return PacketPrefix{PacketKind::ram, flags};
}

void encode(const DeviceStateHeader& header,
            std::span<std::byte, kDeviceStatePrologueBytes> target) {
    MULTIFD_ASSERT(header.encoding == PacketEncoding::raw);
    encode_common(header, target, limits::kStateHeaderBytes + std::size_t{header.data_bytes});
}

std::span<std::byte> encode(const DeviceStateHeader& header,
                            std::span<std::byte, kEncodedPrologueBytes> target) {
    const auto common = target.first<kDeviceStatePrologueBytes>();
    if (header.encoding == PacketEncoding::raw) {
        encode(header, common);
        return common;
    }
    MULTIFD_ASSERT(!header.config && header.data_bytes < header.raw_bytes);
    encode_common(header, common,
                  limits::kStateHeaderBytes + kRawSizeBytes + std::size_t{header.data_bytes});
    store_at<288>(target, header.raw_bytes);
    return target;
}

Result<DeviceStateHeader> decode_device_state(
    std::span<const std::byte, kDeviceStatePrologueBytes> source,
    std::size_t next_packet_bytes_max) noexcept {
    auto header = decode_common(source, {});
    if (!header) return header;
    const auto next_packet_bytes = load_at<std::uint32_t, 272>(source);
    const Errc judged = judge_sizes(next_packet_bytes, header->config, next_packet_bytes_max);
    if (judged != Errc::ok) return make_error_code(judged);
    header->data_bytes = next_packet_bytes - static_cast<std::uint32_t>(limits::kStateHeaderBytes);
    return header;
}

Result<DeviceStateHeader> decode_encoded_state(
    std::span<const std::byte, kEncodedPrologueBytes> source, PacketEncodings agreed,
    std::size_t next_packet_bytes_max) noexcept {
    auto header = decode_common(source.first<kDeviceStatePrologueBytes>(), agreed);
    if (!header) return header;
    if (header->encoding == PacketEncoding::raw) return make_error_code(Errc::packet_unexpected);
    if (header->config) return make_error_code(Errc::state_flags_unknown);
    constexpr std::size_t kBeforeData = limits::kStateHeaderBytes + kRawSizeBytes;
    const std::size_t next_packet_bytes = load_at<std::uint32_t, 272>(source);
    if (next_packet_bytes < kBeforeData) return make_error_code(Errc::packet_too_small);
    header->raw_bytes = load_at<std::uint32_t, 288>(source);
    if (header->raw_bytes + limits::kStateHeaderBytes > next_packet_bytes_max) {
        return make_error_code(Errc::packet_too_large);
    }
    header->data_bytes = static_cast<std::uint32_t>(next_packet_bytes - kBeforeData);
    const bool empty_frame = header->encoding == PacketEncoding::zstd && header->data_bytes == 0;
    if (header->data_bytes >= header->raw_bytes || empty_frame) {
        return make_error_code(Errc::raw_size_wrong);
    }
    if (header->encoding == PacketEncoding::zero_blocks &&
        header->data_bytes < zero_block_map_bytes(header->raw_bytes)) {
        return make_error_code(Errc::zero_blocks_malformed);
    }
    return header;
}

void encode_channel_end(std::span<std::byte, kPacketPrefixBytes> target) noexcept {
    store_at<0>(target, kMultifdMagic);
    store_at<4>(target, kMultifdVersion);
    store_at<8>(target, kPacketChannelEnd);
}

std::array<std::byte, limits::kConfigTokenBytes> config_state_token() noexcept {
    return token_bytes(kTokenConfigState);
}

std::array<std::byte, limits::kConfigTokenBytes> end_of_state_token() noexcept {
    return token_bytes(kTokenEndOfState);
}

Result<std::span<const std::byte>> unwrap_config(std::span<const std::byte> packet_data) noexcept {
    constexpr std::size_t kTokens = 2 * limits::kConfigTokenBytes;
    if (packet_data.size() < kTokens) return make_error_code(Errc::config_malformed);
    if (packet_data.size() > limits::kConfigPacketDataBytesMax) {
        return make_error_code(Errc::config_too_large);
    }
    const auto first = packet_data.first<limits::kConfigTokenBytes>();
    const auto last = packet_data.last<limits::kConfigTokenBytes>();
    if (load_at<std::uint64_t, 0>(first) != kTokenConfigState ||
        load_at<std::uint64_t, 0>(last) != kTokenEndOfState) {
        return make_error_code(Errc::config_malformed);
    }
    return packet_data.subspan(limits::kConfigTokenBytes, packet_data.size() - kTokens);
}

}  // namespace multifd
