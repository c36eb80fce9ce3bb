#include "engine/devices/state_content.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <random>
#include <set>
#include <vector>

namespace multifd {
namespace {

std::vector<std::byte> filled(const StateContent& content, ContentPlace place, std::size_t bytes) {
    std::vector<std::byte> target(bytes);
    content.fill(target, place);
    return target;
}

TEST_CASE("content does not depend on how it is cut", "[state_content]") {
    const std::uint64_t percent = GENERATE(0U, 50U, 100U);
    const std::uint32_t seed = GENERATE(take(3, random(0U, ~0U)));
    CAPTURE(percent, seed);
    const StateContent content({seed, percent});
    const std::vector<std::byte> whole = filled(content, {0, 3}, 5 * kContentPageBytes + 13);
    std::mt19937 random(seed);
    for (int cut = 0; cut < 200; ++cut) {
        const std::size_t offset = random() % whole.size();
        const std::size_t bytes = random() % (whole.size() - offset + 1);
        const auto piece = filled(content, {offset, 3}, bytes);
        REQUIRE(std::equal(piece.begin(), piece.end(), whole.begin() + std::ptrdiff_t(offset)));
        REQUIRE_FALSE(content.first_wrong(piece, {offset, 3}));
    }
}

TEST_CASE("every changed byte is found, where it is", "[state_content]") {
    const std::uint64_t percent = GENERATE(0U, 100U);
    const StateContent content({7, percent});
    std::vector<std::byte> bytes = filled(content, {4000, 0}, 300);
    for (std::size_t index = 0; index < bytes.size(); ++index) {
        bytes[index] ^= std::byte{0x10};
        REQUIRE(content.first_wrong(bytes, {4000, 0}) == index);
        bytes[index] ^= std::byte{0x10};
    }
    CHECK_FALSE(content.first_wrong(bytes, {4000, 0}));
}

TEST_CASE("each 64 bytes differ from those of any other place, generation or seed",
          "[state_content]") {
    const std::uint64_t percent = GENERATE(0U, 50U, 100U);
    CAPTURE(percent);
    std::set<std::vector<std::byte>> seen;
    std::size_t lines = 0;
    for (const std::uint64_t seed : {1U, 2U}) {
        const StateContent content({seed, percent});
        for (const std::uint64_t generation : {0U, 1U, 2U}) {
            for (const std::uint64_t offset : {0ULL, 1ULL << 30U, (1ULL << 40U) - 16384}) {
                const auto bytes = filled(content, {offset, generation}, 16384);
                for (auto line = bytes.begin(); line != bytes.end(); line += 64, ++lines) {
                    seen.emplace(line, line + 64);
                }
            }
        }
    }
    CHECK(seen.size() == lines);
}

TEST_CASE("a wrong byte is described by what was expected, and by where it belongs",
          "[state_content]") {
    const StateContent content({7, 0});
    const auto moved = filled(content, {81920, 2}, 64);
    const ContentPlace place{4096, 0};
    const auto wrong = content.first_wrong(moved, place);
    REQUIRE(wrong == 0U);
    const std::string text = content.describe_wrong(moved, place, *wrong, 1U << 20U);
    CHECK_THAT(text, Catch::StartsWith("state byte at offset 4096 is wrong: expected "));
    CHECK_THAT(text, Catch::Contains("of generation 0, found "));
    CHECK_THAT(text, Catch::EndsWith(", which belongs to offset 81920 of generation 2"));

    const std::vector<std::byte> zeros(64);
    CHECK_THAT(content.describe_wrong(zeros, place, 0, 1U << 20U),
               Catch::EndsWith("found 0 in a word of zeros"));
    const auto foreign = filled(StateContent({8, 0}), place, 64);
    CHECK_THAT(content.describe_wrong(foreign, place, 0, 1U << 20U),
               Catch::EndsWith("which belongs nowhere in this state"));
}

TEST_CASE("the first word says whose state it is", "[state_content]") {
    const std::uint64_t seed = GENERATE(0ULL, 1ULL, 7ULL, 123456789ULL, kContentSeedMax);
    const std::uint64_t percent = GENERATE(0U, 1U, 50U, 100U);
    std::uint64_t word = 0;
    std::memcpy(&word, filled(StateContent({seed, percent}), {0, 0}, 8).data(), 8);
    CHECK(StateContent::identity_of_first_word(word) == ContentIdentity{seed, percent});
}

/// A crude compressor: the part of the lines whose last 56 bytes are one repeated word.
double cheap_part(const std::vector<std::byte>& bytes) {
    double cheap = 0;
    for (std::size_t line = 0; line < bytes.size(); line += 64) {
        const std::byte* const words = bytes.data() + line;
        cheap += std::memcmp(words + 8, words + 16, 48) == 0 ? 1 : 0;
    }
    return cheap * 64 / static_cast<double>(bytes.size());
}

TEST_CASE("about the asked part is compressible, and none of it is zeros", "[state_content]") {
    const std::uint64_t percent = GENERATE(0U, 1U, 25U, 50U, 99U, 100U);
    CAPTURE(percent);
    const auto bytes = filled(StateContent({3, percent}), {0, 0}, 1000 * kContentPageBytes);
    CHECK(cheap_part(bytes) == Approx(static_cast<double>(percent) / 100).margin(0.002));
    for (std::size_t page = 0; page < bytes.size(); page += kContentPageBytes) {
        const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(page);
        REQUIRE(
            std::any_of(first, first + 4096, [](std::byte byte) { return byte != std::byte{}; }));
    }
}

TEST_CASE("bytes of what is not compressible are evenly spread", "[state_content]") {
    const auto bytes = filled(StateContent({3, 0}), {1U << 30U, 0}, 1U << 20U);
    std::array<int, 256> count{};
    for (const std::byte byte : bytes) ++count[std::to_integer<std::size_t>(byte)];
    // 4096 of each expected; six standard deviations are 384.
    for (const int found : count) CHECK(std::abs(found - 4096) < 384);
}

}  // namespace
}  // namespace multifd
