// A program that compresses and decompresses as many packets as it is told, for counting.
#include <algorithm>
#include <cstdlib>
#include <vector>

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

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return 2;
    pass(std::strtol(arguments[1], nullptr, 10),
         static_cast<int>(std::strtol(arguments[2], nullptr, 10)));
    return 0;
}
