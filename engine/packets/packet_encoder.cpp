#include "engine/packets/packet_encoder.hpp"

#include <algorithm>

#include "channels/codec/zero_tail.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

/// Fewer zeros are not worth the four bytes and the other end's second step.
constexpr std::size_t kZeroBytesMin = 64;
/// Less than this stays raw: the header alone is larger.
constexpr std::size_t kCompressBytesMin = 256;
/// What compressing must save of what travels without it; else the other end would unpack for
/// nothing.
constexpr std::size_t kGainPerPacket = 16;

/// Enough to tell what compressing does, and soon done.
constexpr std::size_t kSampleBytes = 64 * limits::kKiB;
/// Hardly a packet's size is a multiple of it, so samples come from everywhere in packets.
constexpr std::size_t kSampleStride = 37 * limits::kKiB + 64;

}  // namespace

PacketEncoder::PacketEncoder(const EncodingChoice& choice, ChannelCounters& counters)
    : choice_(choice), counters_(counters) {
    if (choice.zero_blocks) zero_blocks_.emplace(choice.packet_bytes);
    if (!choice.zstd) return;
    compressor_.emplace(choice.zstd_level, choice.packet_bytes);
    output_.emplace(choice.packet_bytes, 1);
    if (choice.automatic) compression_.emplace(choice.devices);
}

EncodedPacket PacketEncoder::encode(DeviceId device, std::span<const std::byte> state) {
    measured_ = false;
    EncodedPacket packet = without_tail(state);
    const bool compressible = choice_.zstd && packet.data.size() >= kCompressBytesMin;
    const bool tried = compressible && should_compress(device, state);
    // A compressor does better on what is zero only in part, but has to prove it where it is asked
    // whether it pays.
    if (!tried || choice_.automatic) packet = without_blocks(state, packet);
    if (!compressible) return packet;
    device_ = device;
    cost_ = {.plain_bytes = packet.bytes(), .tried = tried};
    const auto began = Clock::now();
    if (tried) {
        const auto compressed = compress(state, choice_.automatic ? packet.bytes() : state.size());
        if (compressed) {
            packet = *compressed;
        } else if (!choice_.automatic) {
            packet = without_blocks(state, packet);
        }
    }
    encoded_at_ = Clock::now();
    cost_.coding = encoded_at_ - began;
    measured_ = compression_.has_value();
    return packet;
}

EncodedPacket PacketEncoder::without_tail(std::span<const std::byte> state) const {
    const EncodedPacket raw{PacketEncoding::raw, state};
    if (!choice_.zero_tail || state.empty()) return raw;
    const std::size_t left = without_zero_tail(state);
    if (left != 0 && state.size() - left < kZeroBytesMin) return raw;
    return {PacketEncoding::zero_tail, state.first(left)};
}

EncodedPacket PacketEncoder::without_blocks(std::span<const std::byte> state,
                                            const EncodedPacket& packet, Remember remember) {
    if (!zero_blocks_ || packet.data.size() < kZeroBytesMin) return packet;
    const auto sent = zero_blocks_->find(state, packet.data.size(), remember);
    if (!sent || sent->map.size() + sent->run_bytes + kZeroBytesMin > packet.data.size()) {
        return packet;
    }
    return {PacketEncoding::zero_blocks, sent->map, sent->runs, sent->run_bytes};
}

void PacketEncoder::sent(std::size_t wire_bytes) {
    if (!measured_) return;
    const auto now = Clock::now();
    cost_.wire_bytes = wire_bytes;
    cost_.sending = now - encoded_at_;
    compression_->sent(device_, cost_, now);
}

bool PacketEncoder::should_compress(DeviceId device, std::span<const std::byte> state) {
    if (!compression_) return true;
    auto plan = compression_->plan(device, Clock::now());
    if (plan == PacketPlan::sample) {
        take_sample(device, state);
        plan = compression_->plan(device, Clock::now());
    }
    return plan == PacketPlan::compress;
}

void PacketEncoder::take_sample(DeviceId device, std::span<const std::byte> state) {
    const std::size_t size = std::min(kSampleBytes, state.size());
    const std::size_t offset = samples_++ * kSampleStride % (state.size() - size + 1);
    // Blocks of zeros in it are those of the packet, and looked for as in the packet.
    const auto sample = state.subspan(offset - offset % kZeroBlockBytes, size);
    const std::size_t plain_bytes =
        without_blocks(sample, without_tail(sample), Remember::no).bytes();
    const auto began = Clock::now();
    const auto packet = compress(sample, plain_bytes);
    const auto now = Clock::now();
    compression_->sampled(device,
                          {.plain_bytes = plain_bytes,
                           .wire_bytes = packet ? packet->data.size() : plain_bytes,
                           .time = now - began},
                          now);
}

std::optional<EncodedPacket> PacketEncoder::compress(std::span<const std::byte> state,
                                                     std::size_t plain_bytes) {
    const auto time = counters_.coding.measure();
    const auto target = output_->at(0).first(plain_bytes - plain_bytes / kGainPerPacket);
    const auto size = compressor_->compress(state, target);
    if (!size) return std::nullopt;
    return EncodedPacket{PacketEncoding::zstd, target.first(*size)};
}

}  // namespace multifd
