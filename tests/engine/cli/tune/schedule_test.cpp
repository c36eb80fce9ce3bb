#include "engine/cli/tune/schedule.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "engine/cli/tune/spread.hpp"

namespace multifd::tuning {
namespace {

using Cost = std::function<std::optional<double>(const Turn&)>;

/// All turns as letters, the warm-up as a small one; checks that remaining() was never too small.
std::string order(Schedule schedule, const Cost& cost) {
    std::string letters;
    const std::size_t promised = schedule.remaining();
    while (const auto turn = schedule.next()) {
        REQUIRE(letters.size() < 1000);
        CHECK(schedule.remaining() >= 1);
        letters += static_cast<char>((turn->round == 0 ? 'a' : 'A') + turn->case_index);
        schedule.record(cost(*turn));
    }
    CHECK(schedule.remaining() == 0);
    CAPTURE(promised, letters);
    return letters;
}

std::optional<double> by_index(const Turn& turn) {
    return static_cast<double>(turn.case_index + 1);
}

}  // namespace

TEST_CASE("rounds are interleaved after one warm-up", "[tune]") {
    CHECK(order(Schedule(3, {3, false}), by_index) == "aABCABCABC");
    CHECK(order(Schedule(1, {2, true}), by_index) == "aAA");
    CHECK(Schedule(3, {3, false}).remaining() == 10);
}

TEST_CASE("quick drops the slower half after each round, the last one excepted", "[tune]") {
    CHECK(order(Schedule(8, {4, true}), by_index) == "aABCDEFGHABCDABA");
    CHECK(Schedule(8, {4, true}).remaining() == 1 + 8 + 4 + 2 + 1);
}

TEST_CASE("quick ranks by the median of all rounds", "[tune]") {
    // B comes second at first and wins all the same.
    const Cost cost = [](const Turn& turn) -> std::optional<double> {
        if (turn.case_index == 0) return 10.0;
        if (turn.case_index == 1) return turn.round == 1 ? 10.2 : 1.0;
        return 50.0;
    };
    CHECK(order(Schedule(3, {3, true}), cost) == "aABCABB");
}

TEST_CASE("quick keeps what is within 5% of the best", "[tune]") {
    const Cost cost = [](const Turn& turn) -> std::optional<double> {
        return turn.case_index == 3 ? 200.0 : 100.0 + static_cast<double>(turn.case_index);
    };
    CHECK(order(Schedule(4, {3, true}), cost) == "aABCDABCABC");
}

TEST_CASE("a case that only fails is given up, one that fails at times is not", "[tune]") {
    const Cost cost = [](const Turn& turn) -> std::optional<double> {
        if (turn.case_index == 0) return std::nullopt;
        if (turn.case_index == 1 && turn.round == 1) return std::nullopt;
        return 1.0;
    };
    CHECK(order(Schedule(2, {4, false}), cost) == "aABABBB");
    CHECK(order(Schedule(2, {3, true}), cost) == "aAB");
}

TEST_CASE("when all fail the schedule ends", "[tune]") {
    const Cost cost = [](const Turn&) { return std::nullopt; };
    CHECK(order(Schedule(2, {9, false}), cost) == "aABAB");
}

TEST_CASE("what was dropped is known with its round", "[tune]") {
    Schedule schedule(2, {2, true});
    while (const auto turn = schedule.next()) schedule.record(by_index(*turn));
    CHECK_FALSE(schedule.dropped_after(0));
    REQUIRE(schedule.dropped_after(1));
    CHECK(*schedule.dropped_after(1) == 1);
}

TEST_CASE("a spread is the median, the lowest and the highest", "[tune]") {
    const Spread odd = spread_of({5, 1, 3});
    CHECK(odd.median == 3);
    CHECK(odd.low == 1);
    CHECK(odd.high == 5);
    CHECK(spread_of({4, 1, 3, 2}).median == 2.5);
    CHECK(spread_of({7}).median == 7);
    CHECK_THROWS(spread_of({}));
}

}  // namespace multifd::tuning
