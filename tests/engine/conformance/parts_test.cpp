#include <catch2/catch.hpp>

#include "engine/conformance/call_journal.hpp"
#include "engine/conformance/transition_rules.hpp"
#include "engine/conformance/transition_times.hpp"
#include "engine/devices/device_states.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

TEST_CASE("the rules allow what our own devices' table has a way for", "[conformance]") {
    const bool p2p = GENERATE(false, true);
    const bool pre_copy = GENERATE(false, true);
    const DeviceTraits traits{.kind = "any", .p2p = p2p, .pre_copy = pre_copy};
    for (std::uint32_t from = 0; from < 8; ++from) {
        for (std::uint32_t target = 0; target < 10; ++target) {
            CAPTURE(p2p, pre_copy, from, target);
            if (from != 0 && !has_state(traits, DeviceState(from))) continue;
            const bool way =
                target < 8 && next_state({p2p, pre_copy}, DeviceState(from), DeviceState(target));
            CHECK(must_accept(traits, DeviceState(from), DeviceState(target)) == way);
        }
    }
}

TEST_CASE("a device's states are those of its flags", "[conformance]") {
    CHECK(states_of({.kind = "any"}).size() == 4);
    CHECK(states_of({.kind = "any", .p2p = true}).size() == 5);
    CHECK(states_of({.kind = "any", .pre_copy = true}).size() == 5);
    CHECK(states_of({.kind = "any", .p2p = true, .pre_copy = true}).size() == 7);
}

TEST_CASE("times are summed up for each transition", "[conformance]") {
    TransitionTimes times;
    for (int time = 200; time > 0; --time) {
        times.add(Role::source, DeviceState::stop, DeviceState::stop_copy, time * 1us);
    }
    times.add(Role::destination, DeviceState::resuming, DeviceState::stop, 7us);
    const auto summary = times.summary();
    REQUIRE(summary.size() == 2);
    CHECK(summary[0].role == Role::source);
    CHECK(summary[0].from == DeviceState::stop);
    CHECK(summary[0].target == DeviceState::stop_copy);
    CHECK(summary[0].count == 200);
    CHECK(summary[0].median == 100us);
    CHECK(summary[0].p99 == 198us);
    CHECK(summary[0].max == 200us);
    CHECK(summary[1].role == Role::destination);
    CHECK(summary[1].median == 7us);
    CHECK(summary[1].p99 == 7us);
    CHECK(summary[1].max == 7us);
}

TEST_CASE("a journal keeps the last calls, and says how many came before", "[conformance]") {
    CallJournal journal;
    for (std::size_t call = 0; call < CallJournal::kCallsMax; ++call) {
        journal.note(std::to_string(call));
    }
    CHECK(journal.lines().size() == CallJournal::kCallsMax);
    CHECK(journal.lines().front() == "0");
    journal.note("last");
    CHECK(journal.lines().front() == "(1 calls before)");
    CHECK(journal.lines()[1] == "1");
    CHECK(journal.lines().back() == "last");
}

}  // namespace
}  // namespace multifd
