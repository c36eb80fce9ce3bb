// PacketDecoder: from what travels back to a packet's state, as it arrives on one channel.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>

#include "channels/codec/zero_block_restore.hpp"
#include "channels/codec/zstd_decompressor.hpp"
#include "channels/memory/buffer_arena.hpp"
#include "channels/wire/device_state_packet.hpp"
#include "engine/packets/channel_counters.hpp"

namespace multifd {

/// Limits:    one input piece and the decompressor's memory, when zstd was agreed; nothing is
///            allocated after construction. Output is bounded by the packet's place.
/// Threads:   not thread-safe: one for each channel.
/// Errors:    those of ZstdDecompressor, zero_blocks_malformed, and what `receive` returns. The
///            constructor throws std::bad_alloc.
class PacketDecoder {
  public:
    /// `counters` outlive the decoder.
    PacketDecoder(PacketEncodings agreed, std::size_t packet_bytes, ChannelCounters& counters);

    /// Fills `place`, whose size is header.state_bytes(), with the state of an agreed encoding.
    /// `receive(span)` fills its span with the packet's next bytes, or says why not.
    template <class Receive>
    Result<> decode(const DeviceStateHeader& header, std::span<std::byte> place,
                    const Receive& receive);

  private:
    template <class Receive>
    Result<> decompress(std::size_t data_bytes, std::span<std::byte> place, const Receive& receive);
    Result<> take_piece(std::span<const std::byte> piece);

    ChannelCounters& counters_;
    std::optional<ZstdDecompressor> decompressor_;
    std::optional<BufferArena> piece_;
};

template <class Receive>
Result<> PacketDecoder::decode(const DeviceStateHeader& header, std::span<std::byte> place,
                               const Receive& receive) {
    switch (header.encoding) {
        case PacketEncoding::raw:
            return receive(place);
        case PacketEncoding::zero_tail: {
            const auto sent = place.first(header.data_bytes);
            if (const auto received = receive(sent); !received) return received.error();
            std::ranges::fill(place.subspan(sent.size()), std::byte{0});
            return {};
        }
        case PacketEncoding::zero_blocks:
            return restore_zero_blocks(header.data_bytes, place, receive);
        case PacketEncoding::zstd:
            return decompress(header.data_bytes, place, receive);
    }
    return {};
}

template <class Receive>
Result<> PacketDecoder::decompress(std::size_t data_bytes, std::span<std::byte> place,
                                   const Receive& receive) {
    decompressor_->begin(place);
    while (data_bytes > 0) {
        const auto piece = piece_->at(0).first(std::min(data_bytes, piece_->buffer_bytes()));
        if (const auto received = receive(piece); !received) return received.error();
        if (const auto taken = take_piece(piece); !taken) return taken.error();
        data_bytes -= piece.size();
    }
    return decompressor_->finish();
}

}  // namespace multifd
