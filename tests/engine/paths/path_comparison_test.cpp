// When a path counts as slow.
#include "engine/paths/path_comparison.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "engine/paths/network_paths.hpp"

namespace multifd {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;

/// `mib` sent in `ms`.
ChannelEffort effort(std::size_t path, std::uint64_t mib, std::uint64_t ms) {
    return {.path = path, .bytes = mib * kMiB, .busy_us = ms * 1000};
}

}  // namespace

TEST_CASE("a path is slow from less than half of the fastest on", "[engine]") {
    struct Case {
        const char* name;
        std::vector<ChannelEffort> channels;
        std::vector<std::size_t> slow;
    };
    const auto one = GENERATE(values<Case>({
        {"none", {}, {}},
        {"one path", {effort(0, 100, 100), effort(0, 10, 100)}, {}},
        {"equal", {effort(0, 100, 100), effort(1, 100, 100)}, {}},
        {"exactly half", {effort(0, 100, 100), effort(1, 50, 100)}, {}},
        {"just below", {effort(0, 100, 100), effort(1, 49, 100)}, {1}},
        {"a tenth, first", {effort(0, 10, 100), effort(1, 100, 100)}, {0}},
        {"less to do", {effort(0, 100, 100), effort(1, 50, 50)}, {}},
        {"two slow ones", {effort(0, 9, 90), effort(1, 999, 90), effort(2, 9, 90)}, {0, 2}},
        {"under 1 MiB", {effort(0, 100, 100), effort(1, 0, 1000)}, {}},
        {"under 50 ms", {effort(0, 1000, 100), effort(1, 1, 49)}, {}},
        {"no time at all", {effort(0, 100, 0), effort(1, 100, 100)}, {1}},
        // One link's worth, by two channels or by one.
        {"two channels on a full link",
         {effort(0, 50, 100), effort(0, 50, 100), effort(1, 100, 100)},
         {}},
        {"a channel more, each at its thread's limit",
         {effort(0, 100, 100), effort(0, 100, 100), effort(1, 90, 100)},
         {}},
        {"slow by both measures",
         {effort(0, 100, 100), effort(0, 100, 100), effort(1, 40, 100)},
         {1}},
    }));
    INFO(one.name);
    std::vector<std::size_t> found;
    for (const auto& slow : slow_paths(one.channels)) found.push_back(slow.path);
    CHECK(found == one.slow);
}

TEST_CASE("what is said of a slow path has its address, the numbers and the advice", "[engine]") {
    auto slow = effort(1, 100, 8000);
    const std::vector<NetworkPath> paths{{.to = *parse_address("tcp:10.0.0.2:1")},
                                         {.to = *parse_address("tcp:10.1.0.2:1")}};
    auto found = slow_paths(std::vector{effort(0, 1000, 1000), slow});
    REQUIRE(found.size() == 1);
    const auto link = to_report(found.front(), paths);
    CHECK(link.path == "tcp:10.1.0.2:1");
    CHECK(link.fastest == "tcp:10.0.0.2:1");
    CHECK(link.mbps == Approx(104.8576));
    CHECK(describe(link) ==
          "the path to tcp:10.1.0.2:1 is slow: a channel moved 105 Mbit/s there and 8389 Mbit/s, "
          "80.0 times as much, to tcp:10.0.0.2:1; check that link, its route and its MTU, or leave "
          "its --to away");

    slow.send_buffer_limited_us = 4'000'001;
    found = slow_paths(std::vector{effort(0, 1000, 1000), slow});
    REQUIRE(found.size() == 1);
    CHECK_THAT(to_report(found.front(), paths).advice, Catch::Contains("tcp_wmem"));
}

TEST_CASE("a channel is slow beside one of another path from less than half of it on", "[engine]") {
    struct Case {
        const char* name;
        ChannelEffort channel, other;
        bool slow;
    };
    const auto one = GENERATE(values<Case>({
        {"equal", effort(0, 100, 100), effort(1, 100, 100), false},
        {"exactly half", effort(0, 50, 100), effort(1, 100, 100), false},
        {"just below", effort(0, 49, 100), effort(1, 100, 100), true},
        {"the faster one", effort(0, 100, 100), effort(1, 49, 100), false},
        {"the same path", effort(0, 10, 100), effort(0, 100, 100), false},
        {"under 50 ms", effort(0, 1, 49), effort(1, 1000, 100), false},
        {"under 1 MiB", effort(0, 0, 100), effort(1, 100, 100), false},
        {"the other one under 1 MiB", effort(0, 1, 1000), effort(1, 0, 0), false},
        {"the other one may only have filled its send buffer", effort(0, 10, 100), effort(1, 15, 1),
         false},
        {"the other one never had to wait", effort(0, 10, 100), effort(1, 16, 1), true},
        {"the other one had to wait", effort(0, 1, 100), effort(1, 3, 50), true},
    }));
    CAPTURE(one.name);
    CHECK(is_slow_beside(one.channel, one.other) == one.slow);
}

}  // namespace multifd
