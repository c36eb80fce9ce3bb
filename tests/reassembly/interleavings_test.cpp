#include "tests/reassembly/interleavings.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>

#include "tests/reassembly/destinations.hpp"

namespace multifd::interleavings {
namespace {

constexpr std::size_t kFits = 1;
constexpr std::size_t kLargerThanABuffer = 2;

// Packets of each device, config states included. Sanitizers make each of some million states ten
// times as slow.
using Counts = std::vector<std::uint32_t>;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
const Counts kMany{3, 2};
const Counts kSome{2, 2};
#else
const Counts kMany{4, 3};
const Counts kSome{3, 3};
#endif

Factory product(const Case& limits) {
    return [limits] { return std::make_unique<ProductDestination>(limits); };
}

Factory model(Rule rule, const Case& limits) {
    return [rule, limits] { return std::make_unique<ModelDestination>(rule, limits); };
}

Findings explore_all(const Counts& packets, std::size_t config_bytes, const Case& limits,
                     const Factory& factory) {
    Findings all;
    for_each_order(packets, config_bytes, [&](const Channels& channels) {
        all += explore(channels, limits.devices, factory);
    });
    return all;
}

void check_right(const Findings& found, const Case& limits) {
    CAPTURE(found.states, limits.buffers, limits.window);

    CHECK(found.completions > 0);
    CHECK(found.deadlocks == 0);
    CHECK(found.gaps == 0);
    CHECK(found.false_gaps == 0);
    CHECK(found.refusals == 0);
    CHECK(found.held_max <= limits.buffers + 1);
}

// Counted by hand: before, receiving, received, loaded, and the last two with the channel at its
// end.
TEST_CASE("an exploration visits every state once", "[interleavings]") {
    const Packet only{.device = 0, .idx = 0, .config = true};
    const Case one{.devices = 1, .channels = 1};
    CHECK(explore({{only}}, 1, product(one)).states == 6);
    const Packet other{.device = 1, .idx = 0, .config = true};
    const Case two{.devices = 2, .channels = 2, .buffers = 2};
    CHECK(explore({{only}, {other}}, 2, product(two)).states == 6 * 6);
}

TEST_CASE("no interleaving of a right sender deadlocks or exceeds the budget by two",
          "[interleavings]") {
    const std::uint32_t buffers = GENERATE(1U, 2U, 3U);
    SECTION("some packets and a config state of each device") {
        const Case limits{.buffers = buffers};
        const Findings found = explore_all(kMany, kFits, limits, product(limits));
        check_right(found, limits);
        CHECK(found.held_max == limits.buffers + 1);  // the exception is used
    }
    SECTION("config states larger than a buffer") {
        const Case limits{.buffers = buffers};
        check_right(explore_all(kSome, kLargerThanABuffer, limits, product(limits)), limits);
    }
    SECTION("windows smaller than the spread") {
        const std::uint32_t window = GENERATE(1U, 2U);
        const Case limits{.buffers = buffers, .window = window};
        const Findings found = explore_all({3, 2}, kFits, limits, product(limits));
        check_right(found, limits);
    }
    SECTION("one device over both channels") {
        const Case limits{.devices = 1, .buffers = buffers};
        check_right(explore_all({8}, kFits, limits, product(limits)), limits);
    }
}

TEST_CASE("the model under the right rule goes through the product's states", "[interleavings]") {
    const Case limits{.buffers = GENERATE(1U, 2U)};
    const auto found = explore_all(kSome, kFits, limits, product(limits));
    const auto modelled =
        explore_all(kSome, kFits, limits, model(Rule::next_to_write_with_token, limits));
    CHECK(modelled.states == found.states);
    CHECK(modelled.deadlocks == 0);
    CHECK(modelled.held_max == found.held_max);
}

TEST_CASE("wrong rules are found out by the same exploration", "[interleavings]") {
    SECTION("a budget without an exception deadlocks at two channels") {
        const Case limits{.buffers = GENERATE(1U, 2U)};
        CHECK(explore_all(kSome, kFits, limits, model(Rule::budget_alone, limits)).deadlocks > 0);
    }
    SECTION("admitting the lowest idx not yet received piles up the whole state") {
        const Case limits{.buffers = 1};
        const auto rule = model(Rule::lowest_not_received, limits);
        CHECK(explore_all(kSome, kFits, limits, rule).held_max == kSome[0] + kSome[1]);
    }
    SECTION("an exception for each device exceeds the bound") {
        const Case limits{.buffers = 1};
        const auto rule = model(Rule::next_to_write_each, limits);
        CHECK(explore_all(kSome, kFits, limits, rule).held_max > limits.buffers + 1);
    }
}

/// Every way to put `packets` on two channels, whatever their order.
void for_each_disorder(std::vector<Packet> packets,
                       const std::function<void(const Channels&)>& use) {
    const auto before = [](const Packet& a, const Packet& b) {
        return a.device != b.device ? a.device < b.device : a.idx < b.idx;
    };
    std::ranges::sort(packets, before);
    do {
        for (std::size_t on_first = 0; on_first <= packets.size(); ++on_first) {
            const auto middle = packets.begin() + static_cast<std::ptrdiff_t>(on_first);
            use({{packets.begin(), middle}, {middle, packets.end()}});
        }
    } while (std::next_permutation(packets.begin(), packets.end(), before));
}

TEST_CASE("a sender that breaks the order gets a gap, never silence", "[interleavings]") {
    const Case limits{.buffers = GENERATE(1U, 2U), .window = GENERATE(1U, 2U, 16U)};
    const std::vector<Packet> packets{{.device = 0, .idx = 0},
                                      {.device = 0, .idx = 1},
                                      {.device = 0, .idx = 2, .config = true},
                                      {.device = 1, .idx = 0},
                                      {.device = 1, .idx = 1, .config = true}};
    Findings all;
    for_each_disorder(
        packets, [&](const Channels& channels) { all += explore(channels, 2, product(limits)); });
    CHECK(all.deadlocks == 0);
    CHECK(all.false_gaps == 0);
    CHECK(all.refusals == 0);
    CHECK(all.gaps > 0);
    CHECK(all.completions > 0);
    CHECK(all.held_max <= limits.buffers + 1);
}

TEST_CASE("a lost packet ends every interleaving in a gap", "[interleavings]") {
    const Case limits{.buffers = GENERATE(1U, 2U)};
    Findings all;
    for_each_order({3, 2}, kFits, [&](const Channels& channels) {
        for (std::size_t channel = 0; channel < 2; ++channel) {
            for (std::size_t place = 0; place < channels[channel].size(); ++place) {
                Channels lossy = channels;
                lossy[channel].erase(lossy[channel].begin() + static_cast<std::ptrdiff_t>(place));
                all += explore(lossy, 2, product(limits));
            }
        }
    });
    CHECK(all.gaps > 0);
    CHECK(all.completions == 0);
    CHECK(all.deadlocks == 0);
    CHECK(all.false_gaps == 0);
    CHECK(all.refusals == 0);
}

TEST_CASE("a packet sent twice ends every interleaving in a refusal", "[interleavings]") {
    const Case limits{.buffers = GENERATE(1U, 2U)};
    Findings all;
    for_each_order({3, 2}, kFits, [&](const Channels& channels) {
        for (std::size_t channel = 0; channel < 2; ++channel) {
            for (const Packet& packet : channels[channel]) {
                Channels doubled = channels;
                doubled[1 - channel].push_back(packet);
                all += explore(doubled, 2, product(limits));
            }
        }
    });
    CHECK(all.refusals > 0);
    CHECK(all.completions == 0);
    CHECK(all.deadlocks == 0);
    CHECK(all.false_gaps == 0);
    CHECK(all.gaps == 0);
}

}  // namespace
}  // namespace multifd::interleavings
