#include "channels/codec/zero_tail.hpp"

#include <catch2/catch.hpp>
#include <vector>

using namespace multifd;

TEST_CASE("a tail of zeros ends at the last byte that is not zero, wherever that is", "[codec]") {
    for (std::size_t size = 0; size <= 300; ++size) {
        std::vector<std::byte> state(size);
        CHECK(without_zero_tail(state) == 0);
        for (std::size_t last = 0; last < size; ++last) {
            state[last] = std::byte{1};
            if (without_zero_tail(state) != last + 1) FAIL("size " << size << ", last " << last);
            state[last] = std::byte{0};
        }
    }
}

TEST_CASE("zeros at an odd address are found too", "[codec]") {
    const std::vector<std::byte> state(1000);
    for (std::size_t skipped = 0; skipped < 70; ++skipped) {
        CHECK(without_zero_tail(std::span(state).subspan(skipped)) == 0);
    }
}
