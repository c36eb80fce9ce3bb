#include "engine/convergence.hpp"

#include <catch2/catch.hpp>

namespace multifd {

TEST_CASE("pre-copy ends when the rest fits, or when another round cannot help", "[engine]") {
    using namespace std::chrono_literals;
    struct Case {
        const char* name;
        PreCopyOutlook outlook;
        bool expected;
    };
    constexpr double kRate = 1'000'000;  // So 300 ms are worth 300,000 bytes.
    const auto one = GENERATE(values<Case>({
        {"the rest just fits", {300'000, 300'000, kRate, 300ms, true, true}, true},
        {"one byte too many", {300'001, 300'001, kRate, 300ms, true, true}, false},
        {"nothing is left", {0, 0, kRate, 300ms, true, true}, true},
        {"nothing reducible is left", {9'000'000, 0, kRate, 300ms, true, true}, true},
        {"nothing has been measured", {1'000, 1'000, 0, 300ms, true, true}, false},
        {"nothing was sent, nothing is reducible", {1'000, 0, 0, 300ms, true, true}, true},
        {"no downtime is allowed", {1'000, 1'000, kRate, 0ms, true, true}, false},
        {"the fixed part alone breaks the limit, the reducible one still does too",
         {1'000'000, 400'000, kRate, 300ms, true, true},
         false},
        {"the fixed part alone breaks the limit, the reducible one is within it",
         {1'000'000, 300'000, kRate, 300ms, true, true},
         true},
        {"the fixed part fits by itself, the whole does not",
         {500'000, 290'000, kRate, 300ms, true, true},
         false},
        {"more is said to be reducible than is left",
         {400'000, 900'000, kRate, 300ms, true, true},
         false},
        {"initial data is still to be sent", {0, 0, kRate, 300ms, false, true}, false},
        {"the acknowledgement is still to come", {0, 0, kRate, 300ms, true, false}, false},
    }));
    INFO(one.name);
    CHECK(may_switch_over(one.outlook) == one.expected);
}

}  // namespace multifd
