#include "channels/codec/zstd_compressor.hpp"

#include <zstd.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "channels/wire/assert.hpp"
#include "channels/wire/limits.hpp"
#include "tests/channels/codec/content.hpp"

using namespace multifd;

namespace {

std::vector<std::byte> unpacked(std::span<const std::byte> frame, std::size_t size) {
    std::vector<std::byte> target(size);
    const auto got = ZSTD_decompress(target.data(), target.size(), frame.data(), frame.size());
    REQUIRE(ZSTD_isError(got) == 0);
    target.resize(got);
    return target;
}

}  // namespace

TEST_CASE("its own memory is enough at every level, for packets of every size up to the largest",
          "[codec]") {
    const int level = GENERATE(range(kZstdLevelMin, kZstdLevelMax + 1));
    const std::size_t largest = GENERATE(4096U, 65536U, 512U * 1024);
    CAPTURE(level, largest);
    ZstdCompressor compressor(level, largest);
    const std::size_t sizes[] = {1, 100, 4096, 16384, 16385, 65536, 131073, 262145, 512 * 1024};
    for (const std::size_t size : sizes) {
        if (size > largest) continue;
        CAPTURE(size);
        const auto state = wordy_bytes(size);
        std::vector<std::byte> frame(size + 64);
        const auto length = compressor.compress(state, frame);
        REQUIRE(length);
        CHECK(unpacked(std::span(frame).first(*length), size) == state);
    }
}

TEST_CASE("what does not fit is nothing, and the next packet is not harmed", "[codec]") {
    ZstdCompressor compressor(1, 65536);
    const auto random = random_bytes(65536);
    const auto wordy = wordy_bytes(65536);
    std::vector<std::byte> frame(60000);
    for (int round = 0; round < 3; ++round) {
        CHECK_FALSE(compressor.compress(random, frame));
        CHECK_FALSE(compressor.compress(wordy, std::span(frame).first(1)));
        CHECK_FALSE(compressor.compress(wordy, {}));
        const auto length = compressor.compress(wordy, frame);
        REQUIRE(length);
        CHECK(*length < 32768);
        CHECK(unpacked(std::span(frame).first(*length), wordy.size()) == wordy);
    }
}

TEST_CASE("a level that does not exist is a fault of ours", "[codec]") {
    const int level = GENERATE(-1, 0, 21);
    CHECK_THROWS_AS(ZstdCompressor(level, 4096), InternalError);
}
