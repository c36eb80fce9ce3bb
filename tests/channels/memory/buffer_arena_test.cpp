#include "channels/memory/buffer_arena.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>
#include <new>

#include "channels/wire/assert.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

std::uintptr_t address(std::span<std::byte> bytes) {
    return reinterpret_cast<std::uintptr_t>(bytes.data());
}

TEST_CASE("an arena's buffers start on pages, are writable and do not overlap", "[buffer_arena]") {
    const Populate populate = GENERATE(Populate::no, Populate::yes);
    const std::size_t buffer_bytes = GENERATE(1U, 4096U, 5000U, 1U << 20);
    const BufferArena arena(buffer_bytes, 5, populate);
    CHECK(arena.count() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
        REQUIRE(arena.at(i).size() == buffer_bytes);
        CHECK(address(arena.at(i)) % limits::kPageBytes == 0);
        CHECK(arena.at(i).front() == std::byte{0});
        std::ranges::fill(arena.at(i), static_cast<std::byte>(i + 1));
    }
    for (std::size_t i = 0; i < 5; ++i) {
        const auto own = [i](std::byte byte) { return byte == static_cast<std::byte>(i + 1); };
        CHECK(std::ranges::all_of(arena.at(i), own));
    }
}

TEST_CASE("an arena large enough for huge pages starts on one", "[buffer_arena]") {
    const BufferArena arena(1U << 20, 6);
    CHECK(address(arena.at(0)) % (2 * limits::kMiB) == 0);
}

TEST_CASE("an arena that cannot be had throws bad_alloc", "[buffer_arena]") {
    constexpr std::size_t kMax = std::numeric_limits<std::size_t>::max();
    CHECK_THROWS_AS(BufferArena(kMax, 1), std::bad_alloc);
    CHECK_THROWS_AS(BufferArena(kMax / 4, 5), std::bad_alloc);
    CHECK_THROWS_AS(BufferArena(std::size_t{1} << 50, 1), std::bad_alloc);
}

TEST_CASE("an arena has no buffer beyond its last", "[buffer_arena]") {
    const BufferArena arena(10, 2);
    CHECK_THROWS_AS(arena.at(2), InternalError);
}

}  // namespace
}  // namespace multifd
