#include "tests/simulation/reassembly_simulation.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>

namespace multifd {
namespace {

/// MULTIFD_SIMULATION_CASES and MULTIFD_SIMULATION_SEED ask for more, or for the same again.
std::uint32_t from_environment(const char* name, std::uint32_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : static_cast<std::uint32_t>(std::stoul(text));
}

// Sanitizers make each step many times slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint32_t kCases = 100;
#else
constexpr std::uint32_t kCases = 2000;
#endif

/// Runs the asked number of cases and gives each outcome to `judge`.
template <class Judge>
void simulate_all(SenderFault fault, Judge judge) {
    const std::uint32_t seed = from_environment("MULTIFD_SIMULATION_SEED", std::random_device{}());
    const std::uint32_t cases = from_environment("MULTIFD_SIMULATION_CASES", kCases);
    CAPTURE(seed);
    std::uint64_t steps = 0;
    double fullest = 0;
    for (std::uint32_t i = 0; i < cases; ++i) {
        const SimulatedOutcome outcome = simulate({.seed = seed + i, .fault = fault});
        INFO(outcome.description);
        REQUIRE_FALSE(outcome.stuck);
        REQUIRE(outcome.peak_queued_bytes <= outcome.bytes_max);
        REQUIRE(outcome.complete != outcome.error.failed());
        judge(outcome);
        steps += outcome.steps;
        fullest = std::max(fullest, static_cast<double>(outcome.peak_queued_bytes) /
                                        static_cast<double>(outcome.bytes_max));
    }
    std::cout << "fault " << static_cast<int>(fault) << ": " << cases << " cases from seed " << seed
              << ", " << steps << " steps, at most " << static_cast<int>(fullest * 100)
              << "% of the memory promised\n";
}

TEST_CASE("whatever chance does, a right sender's state arrives whole, within the memory",
          "[simulation]") {
    simulate_all(SenderFault::none, [](const SimulatedOutcome& outcome) {
        REQUIRE(outcome.complete);
        REQUIRE_FALSE(outcome.gap);
    });
}

TEST_CASE("a lost packet is always a gap", "[simulation]") {
    simulate_all(SenderFault::packet_lost, [](const SimulatedOutcome& outcome) {
        REQUIRE(outcome.error == Errc::idx_gap);
        REQUIRE(outcome.gap_is_missing);
        // When every packet behind could be taken in, the named one is the lost one. Otherwise
        // another device's next packet may lie unread behind a paused one.
        if (outcome.ample) REQUIRE(outcome.gap == outcome.lost);
    });
}

TEST_CASE("a packet sent twice is always a duplicate", "[simulation]") {
    simulate_all(SenderFault::packet_doubled, [](const SimulatedOutcome& outcome) {
        REQUIRE(outcome.error == Errc::idx_duplicate);
    });
}

TEST_CASE("a config state in the middle is always one of its errors", "[simulation]") {
    std::uint32_t after = 0;
    std::uint32_t second = 0;
    std::uint32_t below = 0;
    simulate_all(SenderFault::config_too_early, [&](const SimulatedOutcome& outcome) {
        after += outcome.error == Errc::data_after_config ? 1U : 0U;
        second += outcome.error == Errc::config_duplicate ? 1U : 0U;
        below += outcome.error == Errc::config_below_received ? 1U : 0U;
        const bool known = outcome.error == Errc::data_after_config ||
                           outcome.error == Errc::config_duplicate ||
                           outcome.error == Errc::config_below_received;
        REQUIRE(known);
    });
    CHECK(after > 0);
    CHECK(second > 0);
    CHECK(below > 0);
}

TEST_CASE("a sender without one order gets through or gets a gap", "[simulation]") {
    std::uint32_t complete = 0;
    std::uint32_t gaps = 0;
    simulate_all(SenderFault::order_broken, [&](const SimulatedOutcome& outcome) {
        complete += outcome.complete ? 1U : 0U;
        gaps += outcome.gap ? 1U : 0U;
        REQUIRE((outcome.complete || outcome.error == Errc::idx_gap));
        REQUIRE((outcome.complete || outcome.gap_is_missing));
        if (outcome.ample) REQUIRE(outcome.complete);
    });
    CHECK(complete > 0);
    CHECK(gaps > 0);
}

TEST_CASE("a switchover that contradicts the packets is always pre_copy_misplaced",
          "[simulation]") {
    simulate_all(SenderFault::border_wrong, [](const SimulatedOutcome& outcome) {
        REQUIRE(outcome.error == Errc::pre_copy_misplaced);
    });
}

// Packets of stopped devices may hold all the memory, and the token, while a pre-copy packet that
// the switchover waits for stands unread at the head of its channel.
TEST_CASE("load threads that wait for the end of pre-copy deadlock in some cases", "[simulation]") {
    std::uint32_t stuck = 0;
    for (std::uint32_t seed = 0; seed < kCases; ++seed) {
        stuck += simulate({.seed = seed, .threads_start_late = true}).stuck ? 1U : 0U;
    }
    CHECK(stuck > 0);
}

TEST_CASE("the same seed gives the same outcome", "[simulation]") {
    const SimulatedOutcome first = simulate({.seed = 7, .fault = SenderFault::order_broken});
    const SimulatedOutcome second = simulate({.seed = 7, .fault = SenderFault::order_broken});
    CHECK(first.steps == second.steps);
    CHECK(first.peak_queued_bytes == second.peak_queued_bytes);
    CHECK(first.gap == second.gap);
}

}  // namespace
}  // namespace multifd
