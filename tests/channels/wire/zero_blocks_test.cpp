#include "channels/wire/zero_blocks.hpp"

#include <catch2/catch.hpp>

#include "channels/wire/assert.hpp"
#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

constexpr std::size_t kBlock = kZeroBlockBytes;

std::vector<BlockRun> runs_of(const Bytes& map, std::size_t state_bytes) {
    std::vector<BlockRun> all;
    BlockRuns runs(map, state_bytes);
    while (const auto run = runs.next()) all.push_back(*run);
    CHECK_FALSE(runs.next());
    return all;
}

}  // namespace

TEST_CASE("a map has a bit for each block, the last perhaps a short one", "[wire]") {
    struct Case {
        std::size_t state_bytes, blocks, map_bytes;
    };
    const auto one = GENERATE(values<Case>({{0, 0, 0},
                                            {1, 1, 1},
                                            {kBlock, 1, 1},
                                            {kBlock + 1, 2, 1},
                                            {8 * kBlock, 8, 1},
                                            {8 * kBlock + 1, 9, 2},
                                            {limits::kPacketDataBytesMax, 4096, 512}}));
    CAPTURE(one.state_bytes);
    CHECK(zero_block_count(one.state_bytes) == one.blocks);
    CHECK(zero_block_map_bytes(one.state_bytes) == one.map_bytes);
    CHECK(zero_block_map_bytes(one.state_bytes) <= kZeroBlockMapBytesMax);
}

TEST_CASE("adjacent blocks are one run, across the bytes of the map too", "[wire]") {
    CHECK(runs_of(from_hex("00"), 5 * kBlock).empty());
    CHECK(runs_of(from_hex("80"), 5) == std::vector<BlockRun>{{0, 5}});
    CHECK(runs_of(from_hex("64"), 5 * kBlock + 4) ==
          std::vector<BlockRun>{{kBlock, 2 * kBlock}, {5 * kBlock, 4}});
    CHECK(runs_of(from_hex("83c1"), 16 * kBlock) ==
          std::vector<BlockRun>{{0, kBlock}, {6 * kBlock, 4 * kBlock}, {15 * kBlock, kBlock}});
    CHECK_THROWS_AS(BlockRuns(from_hex("0000"), kBlock), InternalError);
    Bytes map(2);
    for (const std::size_t index : {0U, 6U, 7U, 8U, 9U, 15U}) mark_block_sent(map, index);
    CHECK(to_hex(map) == "83c1");
}

TEST_CASE("a map that contradicts its packet is refused", "[wire]") {
    struct Case {
        const char* name;
        const char* map;
        std::size_t state_bytes, sent_bytes;
        const char* expected;
    };
    const auto one = GENERATE(values<Case>({
        {"no block", "00", 5 * kBlock, 0, "ok"},
        {"every block", "f8", 5 * kBlock, 5 * kBlock, "ok"},
        {"a short last one", "64", 5 * kBlock + 4, 2 * kBlock + 4, "ok"},
        {"eight blocks", "01", 8 * kBlock, kBlock, "ok"},
        {"bit beyond the last block", "84", 5 * kBlock, kBlock, "zero_blocks_malformed"},
        {"lowest bit", "81", 5 * kBlock, kBlock, "zero_blocks_malformed"},
        {"bit beyond in the second byte", "8040", 9 * kBlock, kBlock, "zero_blocks_malformed"},
        {"a byte more", "80", 5 * kBlock, kBlock + 1, "zero_blocks_malformed"},
        {"a byte less", "80", 5 * kBlock, kBlock - 1, "zero_blocks_malformed"},
        {"a whole block for the short last", "04", 5 * kBlock + 4, kBlock, "zero_blocks_malformed"},
        {"bytes for none", "00", 5 * kBlock, 1, "zero_blocks_malformed"},
    }));
    INFO(one.name);
    CHECK(outcome(check_zero_block_map(from_hex(one.map), one.state_bytes, one.sent_bytes)) ==
          one.expected);
}
