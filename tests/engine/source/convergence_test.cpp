#include "engine/source/convergence.hpp"

#include <catch2/catch.hpp>

namespace multifd {
namespace {

PreCopyOutlook outlook(std::uint64_t left_bytes, std::uint64_t reducible_bytes, double rate,
                       std::chrono::milliseconds limit, bool initial_sent, bool acknowledged) {
    PreCopyOutlook made;
    made.left_bytes = left_bytes;
    made.reducible_bytes = reducible_bytes;
    made.bytes_per_second = rate;
    made.downtime_limit = limit;
    made.initial_data_sent = initial_sent;
    made.acknowledged = acknowledged;
    return made;
}

}  // namespace

TEST_CASE("pre-copy ends when the rest fits, or when another round cannot help", "[engine]") {
    using namespace std::chrono_literals;
    struct Case {
        const char* name;
        PreCopyOutlook outlook;
        bool expected;
    };
    constexpr double kRate = 1'000'000;  // So 300 ms are worth 300,000 bytes.
    const auto one = GENERATE(values<Case>({
        {"the rest just fits", outlook(300'000, 300'000, kRate, 300ms, true, true), true},
        {"one byte too many", outlook(300'001, 300'001, kRate, 300ms, true, true), false},
        {"nothing is left", outlook(0, 0, kRate, 300ms, true, true), true},
        {"nothing reducible is left", outlook(9'000'000, 0, kRate, 300ms, true, true), true},
        {"nothing has been measured", outlook(1'000, 1'000, 0, 300ms, true, true), false},
        {"nothing was sent, nothing is reducible", outlook(1'000, 0, 0, 300ms, true, true), true},
        {"no downtime is allowed", outlook(1'000, 1'000, kRate, 0ms, true, true), false},
        {"the fixed part alone breaks the limit, the reducible one still does too",
         outlook(1'000'000, 400'000, kRate, 300ms, true, true), false},
        {"the fixed part alone breaks the limit, the reducible one is within it",
         outlook(1'000'000, 300'000, kRate, 300ms, true, true), true},
        {"the fixed part fits by itself, the whole does not",
         outlook(500'000, 290'000, kRate, 300ms, true, true), false},
        {"more is said to be reducible than is left",
         outlook(400'000, 900'000, kRate, 300ms, true, true), false},
        {"initial data is still to be sent", outlook(0, 0, kRate, 300ms, false, true), false},
        {"the acknowledgement is still to come", outlook(0, 0, kRate, 300ms, true, false), false},
    }));
    INFO(one.name);
    CHECK(may_switch_over(one.outlook) == one.expected);
}

TEST_CASE("one device whose destination is slow holds the switchover back", "[engine]") {
    PreCopyOutlook all;
    all.downtime_limit = std::chrono::milliseconds(300);
    all.left_bytes = all.reducible_bytes = 200'000;
    all.bytes_per_second = 1'000'000;
    REQUIRE(may_switch_over(all));
    SECTION("while what it has to load does not fit at its own rate") {
        all.devices = {
            {.left_bytes = 1'000, .reducible_bytes = 1'000, .bytes_per_second = 1e6},
            {.left_bytes = 199'000, .reducible_bytes = 199'000, .bytes_per_second = 100'000}};
        CHECK_FALSE(may_switch_over(all));
    }
    SECTION("but not when waiting cannot help it") {
        all.devices = {{.left_bytes = 199'000, .reducible_bytes = 0, .bytes_per_second = 100'000}};
        CHECK(may_switch_over(all));
    }
}

}  // namespace multifd
