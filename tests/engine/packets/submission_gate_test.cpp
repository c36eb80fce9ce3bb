// The gate with threads: never more inside than there is room for, and nobody waits in vain.
#include "engine/packets/submission_gate.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <vector>

#include "tests/support/connection_pair.hpp"

namespace multifd {
namespace {

using Sizes = std::vector<std::uint64_t>;
using Entering = std::future<SubmissionTurn>;

Entering enter_aside(SubmissionGate& gate, std::uint32_t device) {
    return std::async(std::launch::async, [&gate, device] { return gate.enter(DeviceId{device}); });
}

template <class T>
bool returned(std::future<T>& entering) {
    return entering.wait_for(kPatience) == std::future_status::ready;
}

/// So many stand before the gate now, none of them about to come in.
bool wait_there(const SubmissionGate& gate, std::size_t count) {
    return await([&] { return gate.waiting() == count; });
}

}  // namespace

TEST_CASE("as long as there is room everybody enters; then each turn that ends lets one in",
          "[engine]") {
    SubmissionGate gate(Sizes{9, 9}, {.places = 3});
    auto first = gate.enter(DeviceId{0});
    auto second = gate.enter(DeviceId{1});
    const auto third = gate.enter(DeviceId{0});
    REQUIRE((first && second && third));
    auto fourth = enter_aside(gate, 1);
    auto fifth = enter_aside(gate, 0);
    REQUIRE(wait_there(gate, 2));
    first = SubmissionTurn();
    second = SubmissionTurn();
    REQUIRE((returned(fourth) && returned(fifth)));
    CHECK((fourth.get() && fifth.get()));
}

TEST_CASE("a turn moves with its packet, and ends once", "[engine]") {
    SubmissionGate gate(Sizes{1, 1}, {.places = 1});
    auto turn = gate.enter(DeviceId{0});
    auto moved = std::move(turn);
    CHECK_FALSE(turn);  // NOLINT(bugprone-use-after-move): that it is empty is the point.
    CHECK(moved);
    auto second = enter_aside(gate, 1);
    REQUIRE(wait_there(gate, 1));
    turn = SubmissionTurn();
    CHECK(gate.waiting() == 1);
    moved = SubmissionTurn();
    REQUIRE(returned(second));
    const auto held = second.get();
    auto third = enter_aside(gate, 0);
    REQUIRE(wait_there(gate, 1));
    gate.abort();
    CHECK_FALSE(third.get());
}

TEST_CASE("the device that is furthest behind is let in first", "[engine]") {
    SubmissionGate gate(Sizes{1, 100, 1000}, {.places = 1});
    auto held = gate.enter(DeviceId{0});
    auto less = enter_aside(gate, 1);
    REQUIRE(wait_there(gate, 1));
    auto more = enter_aside(gate, 2);
    REQUIRE(wait_there(gate, 2));
    held = SubmissionTurn();
    REQUIRE(returned(less));  // Nothing of either had gone, and it came first.
    auto again = enter_aside(gate, 1);
    REQUIRE(wait_there(gate, 2));
    held = less.get();
    held = SubmissionTurn();
    REQUIRE(returned(more));
    CHECK(gate.waiting() == 1);
    held = more.get();
    held = SubmissionTurn();
    REQUIRE(returned(again));
}

TEST_CASE("what is kept for a device is given to others when it has no more packets", "[engine]") {
    SubmissionGate gate(Sizes{100, 10}, {.places = 2, .reserve = 1});
    const auto first = gate.enter(DeviceId{1});
    auto second = enter_aside(gate, 1);
    REQUIRE(wait_there(gate, 1));
    gate.end(DeviceId{0});
    REQUIRE(returned(second));
    CHECK(second.get());
}

TEST_CASE("many threads through little room: all get through, never too many at once", "[engine]") {
    constexpr std::size_t kPlaces = 3;
    constexpr std::uint32_t kDevices = 8;
    constexpr int kPackets = 2000;
    const std::size_t refill = GENERATE(1U, 2U, 3U);
    const std::size_t reserve = GENERATE(0U, 2U);
    CAPTURE(refill, reserve);
    SubmissionGate gate(Sizes{1000, 2000, 3000, 4000, 5000, 6000, 7000, 1},
                        {.places = kPlaces, .refill = refill, .reserve = reserve});
    std::atomic<std::size_t> inside = 0;
    std::atomic<bool> too_many = false;
    std::vector<std::future<bool>> threads;
    for (std::uint32_t id = 0; id < kDevices; ++id) {
        threads.push_back(std::async(std::launch::async, [&, id] {
            for (int i = 0; i < kPackets; ++i) {
                const auto turn = gate.enter(DeviceId{id});
                if (!turn) return false;
                if (++inside > kPlaces) too_many = true;
                --inside;
            }
            gate.end(DeviceId{id});
            return true;
        }));
    }
    for (auto& thread : threads) {
        const bool through = returned(thread);
        if (!through) gate.abort();
        REQUIRE(through);
        CHECK(thread.get());
    }
    CHECK_FALSE(too_many);
}

TEST_CASE("an abort ends all waits, and none begins after it", "[engine]") {
    SubmissionGate gate(Sizes{1, 1, 1}, {.places = 1});
    const auto held = gate.enter(DeviceId{0});
    REQUIRE(held);
    auto first = enter_aside(gate, 1);
    auto second = enter_aside(gate, 2);
    REQUIRE(wait_there(gate, 2));
    gate.abort();
    gate.abort();
    REQUIRE((returned(first) && returned(second)));
    CHECK_FALSE(first.get());
    CHECK_FALSE(second.get());
    CHECK_FALSE(gate.enter(DeviceId{0}));
}

}  // namespace multifd
