#include "engine/devices/dma_log.hpp"

#include <array>
#include <catch2/catch.hpp>

namespace multifd {
namespace {

constexpr std::uint64_t kPage = DmaLog::kPageBytes;
constexpr std::array<DmaRange, 1> kMemory{{{0, 100 * kPage}}};

TEST_CASE("a page that was written is told once", "[dma_log]") {
    DmaLog log;
    REQUIRE(log.start(100 * kPage, kPage, kMemory).ok());
    log.note(3 * kPage + 17, 1);
    log.note(64 * kPage, 2 * kPage);
    std::array<std::uint64_t, 2> bitmap{};
    REQUIRE(log.report(kMemory[0], kPage, bitmap).ok());
    CHECK(bitmap[0] == std::uint64_t{1} << 3U);
    CHECK(bitmap[1] == 3U);
    bitmap = {};
    REQUIRE(log.report(kMemory[0], kPage, bitmap).ok());
    CHECK(bitmap == std::array<std::uint64_t, 2>{});
}

TEST_CASE("a report keeps bits that are set, and what lies outside its range", "[dma_log]") {
    DmaLog log;
    REQUIRE(log.start(100 * kPage, kPage, kMemory).ok());
    log.note(0, kPage);
    log.note(9 * kPage, kPage);
    std::array<std::uint64_t, 1> bitmap{0x80};
    REQUIRE(log.report({8 * kPage, 4 * kPage}, kPage, bitmap).ok());
    CHECK(bitmap[0] == 0x82);
    bitmap = {};
    REQUIRE(log.report({0, 8 * kPage}, kPage, bitmap).ok());
    CHECK(bitmap[0] == 1);
}

TEST_CASE("a coarser page is written when any part of it is", "[dma_log]") {
    DmaLog log;
    REQUIRE(log.start(100 * kPage, 4 * kPage, kMemory).ok());
    log.note(7 * kPage, kPage);
    std::array<std::uint64_t, 1> bitmap{};
    REQUIRE(log.report(kMemory[0], 4 * kPage, bitmap).ok());
    CHECK(bitmap[0] == 2);
}

TEST_CASE("what is written outside all ranges is not remembered", "[dma_log]") {
    DmaLog log;
    const std::array<DmaRange, 2> ranges{{{0, 2 * kPage}, {10 * kPage, 2 * kPage}}};
    REQUIRE(log.start(100 * kPage, kPage, ranges).ok());
    log.note(0, 100 * kPage);
    for (const DmaRange& range : ranges) {
        std::array<std::uint64_t, 1> bitmap{};
        REQUIRE(log.report(range, kPage, bitmap).ok());
        CHECK(bitmap[0] == 3);
    }
}

TEST_CASE("a DMA log refuses what it cannot do", "[dma_log]") {
    DmaLog log;
    std::array<std::uint64_t, 2> bitmap{};
    CHECK_FALSE(log.stop().ok());
    CHECK_FALSE(log.report(kMemory[0], kPage, bitmap).ok());
    CHECK_FALSE(log.start(100 * kPage, 3000, kMemory).ok());
    CHECK_FALSE(log.start(100 * kPage, 512, kMemory).ok());
    CHECK_FALSE(log.start(100 * kPage, kPage, {}).ok());
    const std::array<DmaRange, 1> wrapping{{{~std::uint64_t{0}, 2}}};
    CHECK_FALSE(log.start(100 * kPage, kPage, wrapping).ok());
    const std::array<DmaRange, 2> twice{{{0, 2 * kPage}, {kPage, kPage}}};
    CHECK_FALSE(log.start(100 * kPage, kPage, twice).ok());

    REQUIRE(log.start(100 * kPage, kPage, kMemory).ok());
    CHECK_FALSE(log.start(100 * kPage, kPage, kMemory).ok());
    CHECK_FALSE(log.report({99 * kPage, 2 * kPage}, kPage, bitmap).ok());
    CHECK_FALSE(log.report(kMemory[0], kPage, std::span(bitmap).first(1)).ok());
    CHECK(log.report(kMemory[0], kPage, bitmap).ok());
    CHECK(log.stop().ok());
    CHECK_FALSE(log.on());
}

}  // namespace
}  // namespace multifd
