#include "engine/packets/packet_decoder.hpp"

#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

/// A block of zstd: large enough that receiving costs little, small enough to stay in cache.
constexpr std::size_t kPieceBytes = 128 * limits::kKiB;

}  // namespace

PacketDecoder::PacketDecoder(PacketEncodings agreed, std::size_t packet_bytes,
                             ChannelCounters& counters)
    : counters_(counters) {
    if (!agreed.zstd) return;
    decompressor_.emplace(packet_bytes);
    piece_.emplace(kPieceBytes, 1);
}

Result<> PacketDecoder::take_piece(std::span<const std::byte> piece) {
    const auto time = counters_.coding.measure();
    return decompressor_->add(piece);
}

}  // namespace multifd
