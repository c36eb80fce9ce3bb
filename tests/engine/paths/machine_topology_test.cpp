// What is read from a machine, real and made up.
#include "engine/paths/machine_topology.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

void write_line(const std::string& path, const std::string& line) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    write_text(path, line + "\n");
}

}  // namespace

TEST_CASE("CPUs and nodes are read as the kernel lists them", "[engine]") {
    const TemporaryFolder sys;
    write_line(sys / "devices/system/cpu/online", "0-3");
    write_line(sys / "devices/system/node/online", "0,2");
    write_line(sys / "devices/system/node/node0/cpulist", "0-1");
    write_line(sys / "devices/system/node/node2/cpulist", "2-3");
    const auto topology = read_topology(sys.path());
    CHECK(topology.existing == std::vector<unsigned>{0, 1, 2, 3});
    REQUIRE(topology.nodes.size() == 2);
    CHECK(topology.nodes.at(0) == std::vector<unsigned>{0, 1});
    CHECK(topology.nodes.at(2) == std::vector<unsigned>{2, 3});
}

TEST_CASE("this machine has CPUs, of which this process may use some", "[engine]") {
    const auto topology = read_topology();
    CHECK_FALSE(topology.existing.empty());
    CHECK_FALSE(topology.allowed.empty());
    CHECK(topology.allowed.size() <= topology.existing.size());
    CHECK(allowed_processors() == topology.allowed.size());
}

TEST_CASE("a machine that says nothing of itself has no CPUs and no nodes", "[engine]") {
    const TemporaryFolder sys;
    const auto topology = read_topology(sys.path());
    CHECK(topology.existing.empty());
    CHECK(topology.nodes.empty());
}

TEST_CASE("a network device is found by its address, in either family", "[engine]") {
    const auto of = [](const char* address) { return network_device_of(*parse_address(address)); };
    CHECK(of("tcp:127.0.0.1:1") == "lo");
    CHECK(of("tcp:[::1]:1") == "lo");
    CHECK(of("tcp:[::ffff:127.0.0.1]:1") == "lo");
    CHECK(of("tcp:192.0.2.1:1").empty());
    CHECK(of("unix:/path").empty());
}

TEST_CASE("a network device's node is known when the kernel knows it", "[engine]") {
    const TemporaryFolder sys;
    write_line(sys / "class/net/eth0/device/numa_node", "1");
    write_line(sys / "class/net/eth1/device/numa_node", "-1");
    std::filesystem::create_directories(sys / "class/net/veth0");
    CHECK(node_of_device("eth0", sys.path()) == 1U);
    CHECK_FALSE(node_of_device("eth1", sys.path()).has_value());
    CHECK_FALSE(node_of_device("veth0", sys.path()).has_value());
    CHECK_FALSE(node_of_device("", sys.path()).has_value());
}

}  // namespace multifd
