#include "engine/devices/vfio_user/line_limit.hpp"

#include <catch2/catch.hpp>

namespace multifd::vfio_user {

TEST_CASE("a client's lines are told up to a number in each interval, and the rest counted",
          "[vfio_user]") {
    LineLimit limit;
    const Clock::time_point begin = Clock::now();
    const auto told = [&limit](Clock::time_point now, unsigned lines) {
        unsigned count = 0;
        for (unsigned line = 0; line < lines; ++line) count += limit.tells(now) ? 1U : 0U;
        return count;
    };
    CHECK(told(begin, LineLimit::kLines) == LineLimit::kLines);
    CHECK(limit.take_left_out() == 0);
    CHECK(told(begin + LineLimit::kInterval - std::chrono::nanoseconds(1), 1000) == 0);
    CHECK(told(begin + LineLimit::kInterval, 1000) == LineLimit::kLines);
    CHECK(limit.take_left_out() == 1000 + 1000 - LineLimit::kLines);
    CHECK(limit.take_left_out() == 0);
}

}  // namespace multifd::vfio_user
