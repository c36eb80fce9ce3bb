// PacketEncoder: in which form a packet leaves on one channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "channels/codec/zero_block_finder.hpp"
#include "channels/codec/zstd_compressor.hpp"
#include "channels/memory/buffer_arena.hpp"
#include "channels/wire/device_state_packet.hpp"
#include "engine/packets/channel_counters.hpp"
#include "engine/packets/compression_choice.hpp"

namespace multifd {

/// What a channel may do with its packets: what was agreed, and what was asked for.
struct EncodingChoice {
    bool zero_tail = false;
    bool zero_blocks = false;
    bool zstd = false;
    bool automatic = false;  ///< With zstd: where it pays.
    int zstd_level = 1;
    std::size_t packet_bytes = 0;  ///< The largest state buffer.
    std::size_t devices = 0;
};

/// What travels: `data`, then `runs`.
struct EncodedPacket {
    PacketEncoding encoding = PacketEncoding::raw;
    std::span<const std::byte> data;
    std::span<const std::span<const std::byte>> runs{};  ///< Of zero_blocks; none is empty.
    std::size_t run_bytes = 0;

    [[nodiscard]] std::size_t bytes() const noexcept { return data.size() + run_bytes; }
};

/// Works on the channel's own thread, after the packet has its place in the order of submission:
/// so the order stays, and channels work in parallel.
/// Limits:    one output buffer of a packet's size and the compressor's memory, when zstd is
///            chosen; a list of runs, 1/512 of a packet, for zero_blocks; nothing is allocated
///            after construction.
/// Ownership: the encoded data stand in the packet's own memory, or here until the next encode().
/// Threads:   not thread-safe: one for each channel.
/// Errors:    the constructor throws std::bad_alloc.
class PacketEncoder {
  public:
    /// `counters`, which outlive the encoder, get the time spent on compressing.
    PacketEncoder(const EncodingChoice& choice, ChannelCounters& counters);

    /// Of a state buffer; a config state stays as it is. To be sent at once, then sent().
    EncodedPacket encode(DeviceId device, std::span<const std::byte> state);
    /// What encode() gave last has been sent, with `wire_bytes` in all.
    void sent(std::size_t wire_bytes);

  private:
    [[nodiscard]] EncodedPacket without_tail(std::span<const std::byte> state) const;
    [[nodiscard]] EncodedPacket without_blocks(std::span<const std::byte> state,
                                               const EncodedPacket& packet,
                                               Remember remember = Remember::yes);
    [[nodiscard]] bool should_compress(DeviceId device, std::span<const std::byte> state);
    void take_sample(DeviceId device, std::span<const std::byte> state);
    [[nodiscard]] std::optional<EncodedPacket> compress(std::span<const std::byte> state,
                                                        std::size_t plain_bytes);

    const EncodingChoice choice_;
    ChannelCounters& counters_;
    std::optional<ZeroBlockFinder> zero_blocks_;
    std::optional<ZstdCompressor> compressor_;
    std::optional<BufferArena> output_;
    std::optional<CompressionChoice> compression_;
    std::uint64_t samples_ = 0;

    // Of the packet under way, when the choice is to hear of it.
    DeviceId device_;
    PacketCost cost_;
    bool measured_ = false;
    Clock::time_point encoded_at_;
};

}  // namespace multifd
