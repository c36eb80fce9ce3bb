// Channels' threads on chosen CPUs, packets' memory on a chosen node.
#include <catch2/catch.hpp>
#include <stdexcept>

#include "engine/paths/machine_topology.hpp"
#include "tests/engine/sessions/session_pair.hpp"

namespace multifd {

TEST_CASE("both ends report the CPUs that their channels ran on", "[session]") {
    const auto allowed = read_topology().allowed;
    REQUIRE_FALSE(allowed.empty());
    SessionPair pair;
    pair.source_settings.channel_cpus = {allowed.back(), allowed.front()};
    if (allowed.size() == 1) pair.source_settings.channel_cpus = allowed;
    pair.destination_settings.channel_cpus = {allowed.front()};
    pair.source_settings.multifd_channels = 3;
    pair.add_device("gpu0", with_state(100'000));

    const auto reports = pair.run();

    REQUIRE(reports.source.status == Status::completed);
    CHECK(pair.destination_device(0).received() == pattern(100'000, 1));
    REQUIRE(reports.source.channels.size() == 3);
    REQUIRE(reports.destination.channels.size() == 3);
    CHECK(reports.source.channels[0].cpus == std::to_string(allowed.back()));
    CHECK(reports.source.channels[1].cpus == std::to_string(allowed.front()));
    CHECK(reports.source.channels[2].cpus == std::to_string(allowed.back()));
    for (const auto& channel : reports.destination.channels) {
        CHECK(channel.cpus == std::to_string(allowed.front()));
    }
    CHECK(read_topology().allowed == allowed);
}

TEST_CASE("a NUMA node is followed where there are several, and else said to change nothing",
          "[session]") {
    const auto topology = read_topology();
    SessionPair pair;
    pair.source_settings.numa_node = {.kind = NumaNode::Kind::fixed, .node = 0};
    pair.destination_settings.numa_node = {.kind = NumaNode::Kind::automatic};
    pair.add_device("gpu0", with_state(100'000));

    const auto reports = pair.run();

    REQUIRE(reports.source.status == Status::completed);
    if (topology.nodes.size() > 1) {
        CHECK(reports.source.numa_node == 0U);
        CHECK_FALSE(reports.source.channels[0].cpus.empty());
    } else {
        CHECK_FALSE(reports.source.numa_node.has_value());
        CHECK_THAT(reports.source.placement_note, Catch::Contains("one NUMA node"));
    }
    // A UNIX socket has no network device.
    CHECK_FALSE(reports.destination.numa_node.has_value());
    CHECK_FALSE(reports.destination.placement_note.empty());
}

TEST_CASE("a CPU that is not there is refused before anything begins", "[session]") {
    DestinationSettings settings;
    settings.channel_cpus = {8191};
    ScriptedDevice::Script script;
    const std::vector<DeviceEntry> devices{
        {"gpu0", 0, MultifdProperty::automatic, std::make_shared<ScriptedDevice>(script)}};
    CHECK_THROWS_AS(Destination(settings, devices), std::invalid_argument);
    SourceSettings source;
    source.channel_cpus = {8191};
    CHECK_THROWS_AS(Source(source, devices), std::invalid_argument);
}

}  // namespace multifd
