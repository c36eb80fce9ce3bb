// Blocks of zeros left out of a packet and put back: finder and restorer.
#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "channels/codec/zero_block_finder.hpp"
#include "channels/codec/zero_block_restore.hpp"
#include "tests/channels/codec/content.hpp"

using namespace multifd;

namespace {

using Bytes = std::vector<std::byte>;
constexpr std::size_t kBlock = kZeroBlockBytes;
constexpr std::size_t kPacket = 40 * kBlock;
constexpr std::byte kUntouched{0xee};

void clear(Bytes& bytes, std::size_t offset, std::size_t size) {
    const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
    std::fill_n(first, size, std::byte{0});
}

/// The data of the packet: map and runs.
Bytes data_of(const SentBlocks& sent) {
    Bytes data(sent.map.begin(), sent.map.end());
    for (const auto run : sent.runs) data.insert(data.end(), run.begin(), run.end());
    CHECK(data.size() == sent.map.size() + sent.run_bytes);
    return data;
}

Result<> restore(std::span<const std::byte> data, std::span<std::byte> place,
                 std::size_t declared_bytes) {
    const auto receive = [&data](std::span<std::byte> target) -> Result<> {
        if (target.size() > data.size()) return ErrorCode(Errc::channel_closed_early);
        std::ranges::copy(data.first(target.size()), target.begin());
        data = data.subspan(target.size());
        return {};
    };
    return restore_zero_blocks(declared_bytes, place, receive);
}

/// How often blocks were left out: once, or not at all.
int check_round_trip(ZeroBlockFinder& finder, const Bytes& state) {
    const auto sent = finder.find(state, state.size());
    if (!sent) return 0;
    CHECK(sent->run_bytes < state.size());
    const auto data = data_of(*sent);
    Bytes place(state.size(), kUntouched);
    REQUIRE(restore(data, place, data.size()));
    CHECK(place == state);
    return 1;
}

}  // namespace

TEST_CASE("whole blocks of zeros are left out, and what is left of a stretch goes", "[codec]") {
    ZeroBlockFinder finder(kPacket);
    Bytes state = random_bytes(18 * kBlock);
    clear(state, 7 * kBlock - 100, 3 * kBlock);  // Two whole blocks of it.
    const auto sent = finder.find(state, state.size());
    REQUIRE(sent);
    REQUIRE(sent->runs.size() == 2);
    CHECK(sent->runs[0].data() == state.data());
    CHECK(sent->runs[0].size() == 7 * kBlock);
    CHECK(sent->runs[1].data() == state.data() + 9 * kBlock);
    CHECK(sent->run_bytes == 16 * kBlock);
    CHECK(sent->map.size() == 3);
    CHECK(check_round_trip(finder, state) == 1);
}

TEST_CASE("a stretch longer than the look's step is found wherever it lies", "[codec]") {
    constexpr std::size_t kStretch = 9 * kBlock;
    for (std::size_t at = 0; at + kStretch <= kPacket; at += 1009) {
        CAPTURE(at);
        ZeroBlockFinder finder(kPacket);
        Bytes state = random_bytes(kPacket);
        clear(state, at, kStretch);
        const auto sent = finder.find(state, kPacket);
        REQUIRE(sent);
        CHECK(sent->run_bytes <= kPacket - kStretch + 2 * kBlock);
    }
}

TEST_CASE("a packet behind one with blocks of zeros is looked at block by block", "[codec]") {
    ZeroBlockFinder finder(kPacket);
    Bytes one_page = random_bytes(kPacket);
    clear(one_page, 3 * kBlock, kBlock);
    const Bytes random = random_bytes(kPacket);
    Bytes found = random;
    clear(found, 8 * kBlock, kBlock);
    CHECK(check_round_trip(finder, one_page) == 0);
    CHECK(check_round_trip(finder, found) == 1);
    CHECK(check_round_trip(finder, one_page) == 1);
    CHECK(check_round_trip(finder, one_page) == 1);
    CHECK(check_round_trip(finder, random) == 0);
    CHECK(check_round_trip(finder, one_page) == 0);
}

TEST_CASE("a block goes when any one of its bytes is not zero", "[codec]") {
    const std::size_t size = GENERATE(2 * kBlock, kBlock + 1, kBlock + 7, kBlock + 100);
    Bytes state(size);
    ZeroBlockFinder finder(kPacket);
    CHECK(data_of(finder.find(state, size).value()) == Bytes(1));
    for (std::size_t at = 0; at < size; ++at) {
        state[at] = std::byte{1};
        const auto sent = finder.find(state, size);
        if (!sent || sent->runs.size() != 1 ||
            sent->run_bytes != (at < kBlock ? kBlock : size - kBlock)) {
            FAIL("byte " << at << " of " << size);
        }
        state[at] = std::byte{0};
    }
}

TEST_CASE("in random data nothing is found", "[codec]") {
    ZeroBlockFinder finder(kPacket);
    CHECK_FALSE(finder.find(random_bytes(kPacket - 5), kPacket - 5));
    CHECK_FALSE(finder.find({}, 0));
    Bytes state = random_bytes(kPacket);
    clear(state, 8 * kBlock, 100);
    CHECK_FALSE(finder.find(state, kPacket));
}

TEST_CASE("what is not to be remembered changes nothing for the next packet", "[codec]") {
    ZeroBlockFinder finder(kPacket);
    const Bytes random = random_bytes(kPacket);
    Bytes begins = random, hidden = random;
    clear(begins, 0, kBlock);
    clear(hidden, 3 * kBlock, kBlock);
    CHECK(finder.find(begins, kPacket, Remember::no));
    CHECK_FALSE(finder.find(hidden, kPacket));
    CHECK(finder.find(begins, kPacket));
    CHECK_FALSE(finder.find(random, kPacket, Remember::no));
    CHECK(finder.find(hidden, kPacket));
}

TEST_CASE("a known tail of zeros is not looked at again", "[codec]") {
    ZeroBlockFinder finder(kPacket);
    Bytes state = random_bytes(8 * kBlock);
    clear(state, 0, kBlock);
    // The finder takes its word for it: the random bytes there stay behind.
    const auto sent = finder.find(state, 3 * kBlock + 10);
    REQUIRE(sent);
    REQUIRE(sent->runs.size() == 1);
    CHECK(sent->run_bytes == 3 * kBlock);
    CHECK(std::to_integer<int>(sent->map[0]) == 0b0111'0000);
}

TEST_CASE("every second block, and stretches anywhere, come back as they were", "[codec]") {
    ZeroBlockFinder finder(kPacket);
    Bytes alternating = random_bytes(kPacket);
    for (std::size_t at = 0; at < kPacket; at += 2 * kBlock) clear(alternating, at, kBlock);
    CHECK(check_round_trip(finder, alternating) == 1);
    CHECK(check_round_trip(finder, Bytes(kPacket)) == 1);
    CHECK(check_round_trip(finder, Bytes(1)) == 1);
    int left_out = 0;
    for (unsigned seed = 1; seed < 200; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        Bytes state = random_bytes(1 + random() % kPacket, seed);
        for (std::size_t i = 0; i < 4; ++i) {
            const std::size_t offset = random() % state.size();
            clear(state, offset, random() % (state.size() - offset) + 1);
        }
        left_out += check_round_trip(finder, state);
    }
    CHECK(left_out > 100);
}

TEST_CASE("data cut at any byte fail as their receiver does, without a write beyond", "[codec]") {
    Bytes state = random_bytes(3 * kBlock + 5);
    clear(state, 0, kBlock);
    ZeroBlockFinder finder(kPacket);
    const auto data = data_of(finder.find(state, state.size()).value());
    Bytes place(state.size());
    for (std::size_t cut = 0; cut < data.size(); ++cut) {
        const auto part = std::span(data).first(cut);
        const auto restored = restore(part, place, data.size());
        if (restored || restored.error() != Errc::channel_closed_early) FAIL("cut " << cut);
        // A header that says so is refused at once.
        if (cut == 0) continue;
        const auto short_one = restore(part, place, cut);
        if (short_one || short_one.error() != Errc::zero_blocks_malformed) FAIL("size " << cut);
    }
}

TEST_CASE("a flipped bit of the map is refused before anything is written", "[codec]") {
    Bytes state = random_bytes(13 * kBlock + 5);
    clear(state, 7 * kBlock, 3 * kBlock);
    ZeroBlockFinder finder(kPacket);
    auto data = data_of(finder.find(state, state.size()).value());
    for (std::size_t bit = 0; bit < 16; ++bit) {
        CAPTURE(bit);
        data[bit / 8] ^= std::byte{1} << (bit % 8);
        Bytes place(state.size(), kUntouched);
        const auto restored = restore(data, place, data.size());
        REQUIRE_FALSE(restored);
        CHECK(restored.error() == Errc::zero_blocks_malformed);
        CHECK(place == Bytes(state.size(), kUntouched));
        data[bit / 8] ^= std::byte{1} << (bit % 8);
    }
}
