// A rate over any one second, by a clock that this test moves.
#include "engine/packets/rate_pacer.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

namespace multifd {
namespace {

using namespace std::chrono_literals;

/// Bytes that left at a time.
struct Departure {
    Clock::time_point at;
    std::uint64_t bytes = 0;
};

/// The most that left within any one second, and the least within one that has work throughout.
struct Extremes {
    std::uint64_t most = 0, least = ~std::uint64_t{0};
};

Extremes over_any_second(std::vector<Departure> departures) {
    std::ranges::sort(departures, {}, &Departure::at);
    Extremes extremes;
    std::uint64_t sum = 0;
    std::size_t first = 0;
    for (const auto& departure : departures) {
        sum += departure.bytes;
        while (departure.at - departures[first].at >= 1s) sum -= departures[first++].bytes;
        extremes.most = std::max(extremes.most, sum);
        // A second that ends just before this departure.
        const bool whole = departure.at - departures.front().at >= 1s;
        if (whole) extremes.least = std::min(extremes.least, sum - departure.bytes);
    }
    return extremes;
}

/// Senders that each take a piece, wait for its time, and then wake up late and send for a while.
std::vector<Departure> send_for(Clock::duration time, std::uint64_t rate, unsigned senders,
                                Clock::duration late_max) {
    std::mt19937 random(7);
    RatePacer pacer(rate);
    const auto begin = Clock::time_point(1h);
    std::vector<Clock::time_point> free(senders, begin);
    std::vector<Departure> departures;
    std::uniform_int_distribution<Clock::rep> late(0, late_max.count());
    std::uniform_int_distribution<std::uint64_t> size(pacer.piece_bytes() / 2, pacer.piece_bytes());
    for (;;) {
        auto& next = *std::ranges::min_element(free);
        const auto now = next;
        if (now - begin > time) return departures;
        const auto bytes = size(random);
        const auto due = pacer.reserve(bytes, now);
        next = std::max(due, now);
        if (due > now) next += Clock::duration(late(random));
        departures.push_back({next, bytes});
        next += 20us;
    }
}

}  // namespace

TEST_CASE("over any second the rate is held within 3 percent, however many send", "[engine]") {
    const auto rate = GENERATE(as<std::uint64_t>{}, 500'000, 10'000'000, 128 << 20, 1'250'000'000);
    const auto senders = GENERATE(1U, 4U, 64U);
    CAPTURE(rate, senders);
    const auto extremes = over_any_second(send_for(5s, rate, senders, 500us));
    CHECK(static_cast<double>(extremes.most) <= 1.03 * static_cast<double>(rate));
    CHECK(static_cast<double>(extremes.least) >= 0.97 * static_cast<double>(rate));
}

TEST_CASE("what idle time left unused is no burst afterwards", "[engine]") {
    constexpr std::uint64_t kRate = 10'000'000;
    RatePacer pacer(kRate);
    auto now = Clock::time_point(1h);
    CHECK(pacer.reserve(100'000, now) == now);
    now += 10s;
    std::uint64_t at_once = 0;
    while (pacer.reserve(1000, now) == now) at_once += 1000;
    // What 5 ms of catching up and 2 ms of running ahead are worth, and the piece that met the end.
    CHECK(at_once <= kRate * 7 / 1000 + 1000);
}

TEST_CASE("pieces follow the rate in whole pages, and the first leaves at once", "[engine]") {
    CHECK(RatePacer(0).piece_bytes() == std::numeric_limits<std::size_t>::max());
    CHECK(RatePacer(1).piece_bytes() == 4096);
    CHECK(RatePacer(819'200).piece_bytes() == 8192);
    CHECK(RatePacer(1'000'000).piece_bytes() == 8192);
    const auto now = Clock::time_point(1h);
    RatePacer unlimited(0);
    for (int i = 0; i < 3; ++i) CHECK(unlimited.reserve(~std::uint64_t{0}, now) == now);
    RatePacer slow(1000);
    CHECK(slow.reserve(4000, now) == now);
    const auto due = slow.reserve(4000, now);
    CHECK(due > now + 3900ms);
    CHECK(due <= now + 4s);
}

TEST_CASE("the slowest rates and the largest sizes leave the clock whole", "[engine]") {
    RatePacer pacer(1);
    const auto now = Clock::time_point(1h);
    auto before = now;
    for (int i = 0; i < 1000; ++i) {
        const auto due = pacer.reserve(~std::uint64_t{0}, now);
        CHECK(due >= before);
        before = due;
    }
}

}  // namespace multifd
