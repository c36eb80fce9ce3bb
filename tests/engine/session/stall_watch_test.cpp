#include "engine/session/stall_watch.hpp"

#include <catch2/catch.hpp>

namespace multifd {
namespace {

using namespace std::chrono_literals;

const Clock::time_point kBegin{1h};

}  // namespace

TEST_CASE("without progress the limit passes, to the tick", "[engine]") {
    StallWatch watch(10s, kBegin);
    CHECK_FALSE(watch.stalled(kBegin, 0, true));
    CHECK_FALSE(watch.stalled(kBegin + 10s - 1ns, 0, true));
    CHECK(watch.stalled(kBegin + 10s, 0, true));
}

TEST_CASE("any change of the number counts as progress", "[engine]") {
    StallWatch watch(10s, kBegin);
    CHECK_FALSE(watch.stalled(kBegin + 9s, 5, true));
    CHECK_FALSE(watch.stalled(kBegin + 18s, 5, true));
    CHECK_FALSE(watch.stalled(kBegin + 18s, 4, true));
    CHECK_FALSE(watch.stalled(kBegin + 27s, 4, true));
    CHECK(watch.stalled(kBegin + 28s, 4, true));
}

TEST_CASE("the time that nobody watches does not count", "[engine]") {
    StallWatch watch(10s, kBegin);
    CHECK_FALSE(watch.stalled(kBegin + 5s, 0, true));
    CHECK_FALSE(watch.stalled(kBegin + 100s, 0, false));
    CHECK_FALSE(watch.stalled(kBegin + 109s, 0, true));
    CHECK(watch.stalled(kBegin + 110s, 0, true));
}

TEST_CASE("the time in which this process was stopped does not count", "[engine]") {
    StallWatch watch(10s, kBegin);
    CHECK_FALSE(watch.stalled(kBegin + 9s, 0, true));
    watch.restart(kBegin + 60s);
    CHECK_FALSE(watch.stalled(kBegin + 69s, 0, true));
    CHECK(watch.stalled(kBegin + 70s, 0, true));
}

}  // namespace multifd
