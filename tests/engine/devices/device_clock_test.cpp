#include "engine/devices/device_clock.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include "tests/engine/devices/manual_clock.hpp"

namespace multifd {
namespace {

using test::ManualClock;
using namespace std::chrono_literals;

TEST_CASE("bytes pass at the rate, whatever the sizes of the calls", "[device_clock]") {
    const std::uint64_t call = GENERATE(1000U, 4096U, 100'000U, 10'000'000U);
    CAPTURE(call);
    ManualClock clock;
    RateLimit limit(10'000'000, clock);
    std::uint64_t passed = 0;
    while (passed < 20'000'000) {
        REQUIRE(limit.take(call));
        passed += call;
    }
    // It may be ahead by 2 ms.
    const double due = static_cast<double>(passed) / 10'000'000.0;
    CHECK(clock.seconds() <= due);
    CHECK(clock.seconds() >= due - 0.003 - 0.005);
}

TEST_CASE("idle time is not saved up, late wake-ups are caught up", "[device_clock]") {
    ManualClock clock;
    RateLimit limit(1'000'000, clock);
    REQUIRE(limit.take(1'000'000));
    clock.pass(10s);
    const double before = clock.seconds();
    REQUIRE(limit.take(1'000'000));
    CHECK(clock.seconds() - before == Approx(0.995));
    clock.pass(3ms);
    const double late = clock.seconds();
    REQUIRE(limit.take(1'000'000));
    CHECK(clock.seconds() - late == Approx(0.997));
}

TEST_CASE("an interrupted take has not counted its bytes", "[device_clock]") {
    ManualClock clock;
    RateLimit limit(1'000'000, clock);
    clock.interrupt();
    CHECK_FALSE(limit.take(1'000'000'000));
    clock.clear_interrupt();
    REQUIRE(limit.take(1'000'000));
    CHECK(clock.seconds() <= 1.0);
}

TEST_CASE("without a rate nothing waits, and portions are whole", "[device_clock]") {
    ManualClock clock;
    RateLimit unlimited(0, clock);
    CHECK(unlimited.take(~0ULL));
    CHECK(clock.waits() == 0);
    CHECK(unlimited.portion(1U << 30U) == 1U << 30U);
    CHECK(RateLimit(1'000'000, clock).portion(1U << 30U) == 50'000);
    CHECK(RateLimit(1, clock).portion(1U << 30U) == 4096);
    CHECK(RateLimit(1, clock).portion(7) == 7);
}

TEST_CASE("a real wait ends at its deadline, and at once when interrupted", "[device_clock]") {
    SteadyDeviceClock clock;
    CHECK(clock.wait_until(clock.now() - 1s));
    CHECK(clock.wait_until(clock.now() + 1ms));
    std::jthread other([&clock] { clock.interrupt(); });
    CHECK_FALSE(clock.wait_until(DeviceClock::TimePoint::max()));
    CHECK_FALSE(clock.wait_until(clock.now() + 1h));
    CHECK(clock.interrupted());
    other.join();
    clock.clear_interrupt();
    CHECK(clock.wait_until(clock.now() + 1us));
}

}  // namespace
}  // namespace multifd
