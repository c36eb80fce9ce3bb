// Which CPUs and which memory the channels get, and that they really get them.
#include "engine/paths/channel_placement.hpp"

#include <sched.h>

#include <catch2/catch.hpp>
#include <stdexcept>
#include <thread>

#include "channels/memory/memory_policy.hpp"

namespace multifd {
namespace {

using Cpus = std::vector<unsigned>;

const NumaNode kAuto{.kind = NumaNode::Kind::automatic};

NumaNode node(unsigned number) {
    return {.kind = NumaNode::Kind::fixed, .node = number};
}

/// Two nodes of four CPUs; CPU 7 is not for this process.
MachineTopology two_nodes() {
    return {.existing = {0, 1, 2, 3, 4, 5, 6, 7},
            .allowed = {0, 1, 2, 3, 4, 5, 6},
            .nodes = {{0, {0, 1, 2, 3}}, {1, {4, 5, 6, 7}}}};
}

MachineTopology one_node() {
    return {.existing = {0, 1}, .allowed = {0, 1}, .nodes = {{0, {0, 1}}}};
}

CommonSettings wish(Cpus cpus, NumaNode numa_node = {}) {
    CommonSettings settings;
    settings.channel_cpus = std::move(cpus);
    settings.numa_node = numa_node;
    return settings;
}

std::string refusal(const CommonSettings& settings, const MachineTopology& topology) {
    try {
        check_placement(settings, topology);
    } catch (const std::invalid_argument& refused) {
        return refused.what();
    }
    return {};
}

}  // namespace

TEST_CASE("CPUs that are not there or not allowed are named with those that are", "[engine]") {
    CHECK(refusal(wish({0, 6}), two_nodes()).empty());
    CHECK_THAT(refusal(wish({0, 8}), two_nodes()),
               Catch::Contains("CPU 8") && Catch::Contains("0-7"));
    CHECK_THAT(refusal(wish({7}), two_nodes()), Catch::Contains("CPU 7") && Catch::Contains("0-6"));
}

TEST_CASE("a node that is not there is named, but one node is harmless", "[engine]") {
    CHECK(refusal(wish({}, node(1)), two_nodes()).empty());
    CHECK_THAT(refusal(wish({}, node(2)), two_nodes()), Catch::Contains("numa-node is 2"));
    CHECK(refusal(wish({}, node(2)), one_node()).empty());
    CHECK(refusal(wish({}, kAuto), two_nodes()).empty());
}

TEST_CASE("without a wish nothing is placed", "[engine]") {
    const auto plan = plan_placement({}, two_nodes(), "eth0", 1U);
    CHECK(plan.cpus.empty());
    CHECK_FALSE(plan.node.has_value());
    CHECK(plan.note.empty());
}

TEST_CASE("threads and memory go where they were wished", "[engine]") {
    struct Case {
        const char* name;
        CommonSettings settings;
        std::optional<unsigned> device_node;
        std::vector<Cpus> cpus;
        std::optional<unsigned> memory;
        const char* note;
    };
    const auto one = GENERATE(values<Case>({
        {"CPUs alone", wish({2, 0}), {}, {{2}, {0}}, {}, ""},
        {"a node", wish({}, node(1)), {}, {{4, 5, 6}}, 1, ""},
        {"the device's node", wish({}, kAuto), 1, {{4, 5, 6}}, 1, ""},
        {"an unknown one", wish({}, kAuto), {}, {}, {}, "eth0 is not known"},
        {"CPUs on it", wish({4, 5}, node(1)), {}, {{4}, {5}}, 1, ""},
        {"CPUs outside", wish({4, 0}, node(1)), {}, {{4}, {0}}, 1, "outside of NUMA node 1"},
    }));
    INFO(one.name);
    const auto plan = plan_placement(one.settings, two_nodes(), "eth0", one.device_node);
    CHECK(plan.cpus == one.cpus);
    CHECK(plan.node == one.memory);
    CHECK_THAT(plan.note, Catch::Contains(one.note));
    CHECK(plan.note.empty() == (*one.note == '\0'));
}

TEST_CASE("what has no effect is said", "[engine]") {
    CHECK_THAT(plan_placement(wish({1}, node(0)), one_node(), "eth0", 0U).note,
               Catch::Contains("one NUMA node"));
    CHECK(plan_placement(wish({1}, node(0)), one_node(), "eth0", 0U).cpus ==
          std::vector<Cpus>{{1}});
    CHECK_THAT(plan_placement(wish({}, kAuto), two_nodes(), "", {}).note,
               Catch::Contains("no network device"));
    auto confined = two_nodes();
    confined.allowed = {0, 1};
    const auto plan = plan_placement(wish({}, node(1)), confined, "eth0", {});
    CHECK(plan.cpus.empty());
    CHECK(plan.node == 1U);
    CHECK_THAT(plan.note, Catch::Contains("no CPU of NUMA node 1"));
}

TEST_CASE("a channel's thread runs on its CPU, the next one on the next, round and round",
          "[engine]") {
    const auto allowed = read_topology().allowed;
    REQUIRE_FALSE(allowed.empty());
    PlacementPlan plan{.node = 0U};
    for (const unsigned cpu : allowed) plan.cpus.push_back({cpu});
    const std::size_t channels = 2 * allowed.size() + 1;
    ChannelPlacement placement(plan, channels);
    for (std::size_t i = 0; i < channels && i < 255; ++i) {
        const ChannelId id{static_cast<std::uint8_t>(i)};
        CHECK(placement.cpus_of(id).empty());
        std::thread([&] {
            placement.enter(id);
            cpu_set_t set;
            CPU_ZERO(&set);
            REQUIRE(::sched_getaffinity(0, sizeof set, &set) == 0);
            CHECK(CPU_COUNT(&set) == 1);
            CHECK(CPU_ISSET(allowed[i % allowed.size()], &set));
        }).join();
        CHECK(placement.cpus_of(id) == std::to_string(allowed[i % allowed.size()]));
    }
    CHECK(read_topology().allowed == allowed);
}

TEST_CASE("a thread that cannot be placed runs on, and nothing is claimed", "[engine]") {
    ChannelPlacement placement(PlacementPlan{.cpus = {{1023}}}, 1);
    std::thread([&] { placement.enter(ChannelId{0}); }).join();
    CHECK(placement.cpus_of(ChannelId{0}).empty());
    CHECK(placement.cpus_of(ChannelId{7}).empty());
}

}  // namespace multifd
