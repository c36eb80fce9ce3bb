// A program that passes as many packets as it is told through the codecs, for counting.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "channels/codec/zero_block_finder.hpp"
#include "channels/codec/zero_block_restore.hpp"
#include "channels/codec/zstd_compressor.hpp"
#include "channels/codec/zstd_decompressor.hpp"
#include "tests/channels/codec/content.hpp"

namespace {

using namespace multifd;  // a program of its own

constexpr std::size_t kPacket = 65536;

void pass(long packets, int level) {
    ZstdCompressor compressor(level, kPacket);
    ZstdDecompressor decompressor(kPacket);
    const auto wordy = wordy_bytes(kPacket);
    const auto random = random_bytes(kPacket);
    std::vector<std::byte> frame(kPacket);
    std::vector<std::byte> target(kPacket);
    for (long i = 0; i < packets; ++i) {
        // Small ones for long, then large ones: contexts with a heap grow and shrink then.
        const std::size_t size = i % 400 < 300 ? 500 : kPacket;
        if (compressor.compress(random, std::span(frame).first(kPacket - 1))) std::abort();
        const auto state = std::span(wordy).first(size);
        const auto length = compressor.compress(state, frame);
        if (!length) std::abort();
        decompressor.begin(std::span(target).first(size));
        for (std::size_t at = 0; at < *length; at += 10'000) {
            const auto piece =
                std::span(frame).subspan(at, std::min<std::size_t>(10'000, *length - at));
            if (!decompressor.add(piece)) std::abort();
        }
        if (!decompressor.finish()) std::abort();
        // A frame that is refused allocates nothing either.
        decompressor.begin(target);
        (void)decompressor.add(std::span(frame).subspan(1, 100));
    }
}

/// Packets of which every other block, every one or none is zero.
void leave_out_zeros(long packets) {
    ZeroBlockFinder finder(kPacket);
    const auto random = random_bytes(kPacket);
    auto hollow = random;
    for (std::size_t at = 0; at < kPacket; at += 2 * kZeroBlockBytes) {
        std::fill_n(hollow.begin() + static_cast<std::ptrdiff_t>(at), kZeroBlockBytes,
                    std::byte{0});
    }
    const std::vector<std::byte> zeros(kPacket);
    std::vector<std::byte> data(kPacket + kZeroBlockMapBytesMax);
    std::vector<std::byte> target(kPacket);
    for (long i = 0; i < packets; ++i) {
        const auto& state = i % 3 == 0 ? hollow : i % 3 == 1 ? zeros : random;
        const auto sent = finder.find(state, state.size());
        if (!sent) continue;
        auto end = std::ranges::copy(sent->map, data.begin()).out;
        for (const auto run : sent->runs) end = std::ranges::copy(run, end).out;
        auto rest = std::span(data);
        const auto restored = restore_zero_blocks(
            sent->map.size() + sent->run_bytes, target, [&rest](std::span<std::byte> part) {
                std::ranges::copy(rest.first(part.size()), part.begin());
                rest = rest.subspan(part.size());
                return Result<>();
            });
        if (!restored || target != state) std::abort();
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return 2;
    pass(std::strtol(arguments[1], nullptr, 10),
         static_cast<int>(std::strtol(arguments[2], nullptr, 10)));
    leave_out_zeros(std::strtol(arguments[1], nullptr, 10));
    return 0;
}
