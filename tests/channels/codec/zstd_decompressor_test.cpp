// Frames as they should be, and every way in which a peer's may not be.
#include "channels/codec/zstd_decompressor.hpp"

#include <zstd.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/channels/codec/content.hpp"

using namespace multifd;

namespace {

constexpr int kPacketLog = 18;
constexpr std::size_t kPacket = std::size_t{1} << kPacketLog;
constexpr std::byte kUntouched{0xee};

std::vector<std::byte> frame_of(std::span<const std::byte> state, int window_log = kPacketLog,
                                bool declares_size = true) {
    ZSTD_CCtx* context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, declares_size ? 1 : 0);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    std::vector<std::byte> frame(ZSTD_compressBound(state.size()));
    ZSTD_inBuffer input{state.data(), state.size(), 0};
    ZSTD_outBuffer output{frame.data(), frame.size(), 0};
    // In two steps, so that the size is not known at the start and the window stands in the header.
    ZSTD_inBuffer none{state.data(), 0, 0};
    if (!declares_size) ZSTD_compressStream2(context, &output, &none, ZSTD_e_flush);
    REQUIRE(ZSTD_compressStream2(context, &output, &input, ZSTD_e_end) == 0);
    ZSTD_freeCCtx(context);
    frame.resize(output.pos);
    return frame;
}

/// The target's bytes with one more behind it, which nothing may touch.
struct Target {
    explicit Target(std::size_t size) : bytes(size + 1, kUntouched) {}
    [[nodiscard]] std::span<std::byte> place() { return std::span(bytes).first(bytes.size() - 1); }
    [[nodiscard]] bool kept_within() const { return bytes.back() == kUntouched; }
    std::vector<std::byte> bytes;
};

ErrorCode unpack(ZstdDecompressor& decompressor, std::span<const std::byte> frame,
                 std::span<std::byte> target, std::size_t piece_bytes = kPacket) {
    decompressor.begin(target);
    while (!frame.empty()) {
        const auto piece = frame.first(std::min(piece_bytes, frame.size()));
        if (const auto added = decompressor.add(piece); !added) return added.error();
        frame = frame.subspan(piece.size());
    }
    const auto finished = decompressor.finish();
    return finished ? ErrorCode() : finished.error();
}

std::vector<std::byte> joined(std::vector<std::byte> first, std::span<const std::byte> second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

}  // namespace

TEST_CASE("a frame comes out as it was, in whatever pieces it arrives", "[codec]") {
    ZstdDecompressor decompressor(kPacket);
    const std::size_t size = GENERATE(1U, 1000U, 131072U, 131073U, kPacket);
    const std::size_t piece = GENERATE(1U, 7U, 4096U, 131072U, kPacket);
    const bool declares_size = GENERATE(true, false);
    CAPTURE(size, piece, declares_size);
    for (const auto& state :
         {wordy_bytes(size), random_bytes(size), std::vector<std::byte>(size)}) {
        Target target(size);
        const auto frame = frame_of(state, kPacketLog, declares_size);
        if (frame.size() / piece > 100'000) continue;
        REQUIRE_FALSE(unpack(decompressor, frame, target.place(), piece));
        CHECK(std::ranges::equal(target.place(), state));
        CHECK(target.kept_within());
    }
}

TEST_CASE("a frame of another size than declared is refused, within its target", "[codec]") {
    ZstdDecompressor decompressor(kPacket);
    const bool declares_size = GENERATE(true, false);
    const std::size_t piece = GENERATE(1U, 1000U, kPacket);
    CAPTURE(declares_size, piece);
    const auto state = wordy_bytes(100'000);
    const auto frame = frame_of(state, kPacketLog, declares_size);
    for (const std::size_t size : {1U, 4096U, 99'999U}) {
        Target target(size);
        CHECK(unpack(decompressor, frame, target.place(), piece) == Errc::zstd_too_long);
        CHECK(target.kept_within());
    }
    Target larger(100'001);
    CHECK(unpack(decompressor, frame, larger.place(), piece) == Errc::zstd_too_short);
    Target right(100'000);
    CHECK_FALSE(unpack(decompressor, frame, right.place(), piece));
}

TEST_CASE("bytes behind the frame are refused, whatever they are", "[codec]") {
    ZstdDecompressor decompressor(kPacket);
    const std::size_t piece = GENERATE(1U, kPacket);
    const auto state = wordy_bytes(5000);
    const auto frame = frame_of(state);
    Target target(state.size());
    for (const auto& more : {random_bytes(1), frame, std::vector<std::byte>(100)}) {
        CHECK(unpack(decompressor, joined(frame, more), target.place(), piece) ==
              Errc::zstd_trailing_bytes);
    }
}

TEST_CASE("a window larger than a packet is refused before it costs anything", "[codec]") {
    ZstdDecompressor decompressor(kPacket);
    const auto state = wordy_bytes(5000);
    Target target(state.size());
    CHECK(unpack(decompressor, frame_of(state, 27, false), target.place()) ==
          Errc::zstd_window_too_large);
    CHECK_FALSE(unpack(decompressor, frame_of(state, kPacketLog, false), target.place()));
}

TEST_CASE("what is no zstd frame is corrupt", "[codec]") {
    ZstdDecompressor decompressor(kPacket);
    Target target(5000);
    CHECK(unpack(decompressor, random_bytes(100), target.place()) == Errc::zstd_corrupt);
    // The magic of version 0.7, which the library would read, with memory of its own.
    auto legacy = frame_of(wordy_bytes(5000));
    legacy[0] = std::byte{0x27};
    CHECK(unpack(decompressor, legacy, target.place()) == Errc::zstd_corrupt);
    // A skippable frame holds nothing.
    const std::vector<std::byte> skippable{std::byte{0x50}, std::byte{0x2a}, std::byte{0x4d},
                                           std::byte{0x18}, std::byte{1},    std::byte{0},
                                           std::byte{0},    std::byte{0},    std::byte{9}};
    CHECK(unpack(decompressor, skippable, target.place()) == Errc::zstd_too_short);
    CHECK(unpack(decompressor, {}, target.place()) == Errc::zstd_too_short);
}

TEST_CASE("a frame cut at any byte is too short, and harms nothing", "[codec]") {
    ZstdDecompressor decompressor(kPacket);
    const auto state = wordy_bytes(3000);
    const auto frame = frame_of(state);
    Target target(state.size());
    for (std::size_t cut = 0; cut < frame.size(); ++cut) {
        const auto outcome = unpack(decompressor, std::span(frame).first(cut), target.place());
        if (outcome != Errc::zstd_too_short) FAIL("cut at " << cut << ": " << outcome.message());
    }
    CHECK(target.kept_within());
    CHECK_FALSE(unpack(decompressor, frame, target.place()));
}

TEST_CASE("a frame with any bit flipped gives a typed error or as many bytes, within its target",
          "[codec]") {
    ZstdDecompressor decompressor(kPacket);
    const auto state = wordy_bytes(2000);
    const auto frame = frame_of(state);
    Target target(state.size());
    std::size_t refused = 0;
    for (std::size_t at = 0; at < frame.size() * 8; ++at) {
        auto damaged = frame;
        damaged[at / 8] ^= static_cast<std::byte>(1U << (at % 8));
        const auto outcome = unpack(decompressor, damaged, target.place(), 100);
        if (outcome && outcome.category() != multifd_category()) FAIL(outcome.message());
        if (outcome) ++refused;
    }
    CHECK(refused > 100);
    CHECK(target.kept_within());
    CHECK_FALSE(unpack(decompressor, frame, target.place()));
    CHECK(std::ranges::equal(target.place(), state));
}
