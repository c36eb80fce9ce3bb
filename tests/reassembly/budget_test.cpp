#include "reassembly/budget.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

TEST_CASE("a budget gives out each buffer once, and again when it is back", "[budget]") {
    Budget budget(100, 3);
    std::set<std::uint32_t> taken;
    while (budget.has_buffer()) taken.insert(budget.take_buffer());
    CHECK(taken == std::set<std::uint32_t>{0, 1, 2});
    CHECK_THROWS_AS(budget.take_buffer(), InternalError);
    budget.give_back(1);
    REQUIRE(budget.has_buffer());
    CHECK(budget.take_buffer() == 1);
}

TEST_CASE("there is one token, which counts for what its packet takes", "[budget]") {
    Budget budget(100, 2);
    REQUIRE(budget.has_token());
    SECTION("a packet that a buffer would hold counts as a buffer") {
        budget.take_token(7);
        CHECK(budget.queued_bytes() == 100);
    }
    SECTION("a larger one as itself") {
        budget.take_token(250);
        CHECK(budget.queued_bytes() == 250);
    }
    CHECK_FALSE(budget.has_token());
    CHECK_THROWS_AS(budget.take_token(1), InternalError);
    budget.give_back(kOverLimitBuffer);
    CHECK(budget.has_token());
    CHECK(budget.queued_bytes() == 0);
    CHECK_THROWS_AS(budget.give_back(kOverLimitBuffer), InternalError);
}

TEST_CASE("the peak remembers the most that was taken at once", "[budget]") {
    Budget budget(100, 2);
    const std::uint32_t first = budget.take_buffer();
    budget.take_token(1);
    budget.give_back(first);
    budget.give_back(kOverLimitBuffer);
    static_cast<void>(budget.take_buffer());
    CHECK(budget.queued_bytes() == 100);
    CHECK(budget.peak_queued_bytes() == 200);
}

TEST_CASE("a buffer that was never given out is not taken back", "[budget]") {
    Budget budget(100, 2);
    CHECK_THROWS_AS(budget.give_back(0), InternalError);
    static_cast<void>(budget.take_buffer());
    CHECK_THROWS_AS(budget.give_back(2), InternalError);
}

}  // namespace
}  // namespace multifd
