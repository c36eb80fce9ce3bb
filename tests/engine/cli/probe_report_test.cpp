#include "engine/cli/probe_report.hpp"

#include <catch2/catch.hpp>

#include "tests/support/report_reader.hpp"

namespace multifd {
namespace {

ProbedDevice healthy(const std::string& idstr) {
    ProbedDevice device;
    device.idstr = idstr;
    device.traits = {.kind = "vfio",
                     .p2p = true,
                     .pre_copy = true,
                     .peer_dma = true,
                     .lends = false,
                     .dma_logging = true};
    device.state = DeviceState::running;
    device.state_bytes = 3 << 20U;
    device.facts = {{"interface", "cdev"}};
    return device;
}

TEST_CASE("a healthy device is blocked by nothing and needs no note", "[probe]") {
    const std::vector devices{healthy("vf0"), healthy("vf1")};
    CHECK(blockers_of(devices[0], devices).empty());
    CHECK(notes_of(devices[0]).empty());
    const std::string text = probe_text(devices);
    CHECK_THAT(text, Catch::StartsWith("vf0: vfio, can be migrated\n") &&
                         Catch::Contains("state-bytes:  3.00 MiB\n") &&
                         Catch::Contains("interface:    cdev\n"));
    CHECK(text.find("BLOCKED") == std::string::npos);
}

TEST_CASE("a state in which no migration begins blocks", "[probe]") {
    const auto state = GENERATE(DeviceState::error, DeviceState::resuming, DeviceState::stop_copy,
                                DeviceState::pre_copy, DeviceState::pre_copy_p2p);
    ProbedDevice device = healthy("vf0");
    device.state = state;
    const std::vector devices{device};
    REQUIRE(blockers_of(device, devices).size() == 1);
    CHECK_THAT(blockers_of(device, devices)[0], Catch::Contains(std::string(to_string(state))));
    CHECK_THAT(probe_text(devices),
               Catch::Contains("cannot be migrated") && Catch::Contains("BLOCKED"));
}

TEST_CASE("a stopped device is blocked by nothing", "[probe]") {
    ProbedDevice device = healthy("vf0");
    device.state = GENERATE(DeviceState::stop, DeviceState::running_p2p);
    CHECK(blockers_of(device, std::vector{device}).empty());
}

TEST_CASE("a device without P2P blocks only beside another that does peer DMA", "[probe]") {
    ProbedDevice lacks = healthy("vf0");
    lacks.traits.p2p = false;
    CHECK(blockers_of(lacks, std::vector{lacks}).empty());
    const std::vector both{lacks, healthy("vf1")};
    CHECK(blockers_of(both[0], both).size() == 1);
    CHECK(blockers_of(both[1], both).empty());
    ProbedDevice memory = healthy("ram");
    memory.traits.peer_dma = false;
    CHECK(blockers_of(lacks, std::vector{lacks, memory}).empty());
}

TEST_CASE("what a device lacks without being blocked is noted", "[probe]") {
    ProbedDevice device = healthy("vf0");
    device.traits.pre_copy = false;
    device.traits.dma_logging = false;
    device.state_bytes = 0;
    CHECK(notes_of(device).size() == 3);
    CHECK_THAT(probe_text(std::vector{device}),
               Catch::Contains("can be migrated") && Catch::Contains("state-bytes:  unknown"));
}

TEST_CASE("the JSON has what the text has", "[probe]") {
    ProbedDevice device = healthy("vf0");
    device.state.reset();
    device.failures = {"0000:3b:00.2 does not tell its state"};
    const auto json = JsonReport::parse(probe_json(std::vector{device}));
    REQUIRE(json);
    CHECK(json->text("devices.0.idstr") == "vf0");
    CHECK(json->text("devices.0.kind") == "vfio");
    CHECK_FALSE(json->has("devices.0.state"));
    CHECK(json->number("devices.0.state-bytes") == 3 << 20U);
    CHECK(json->flag("devices.0.p2p"));
    CHECK(json->text("devices.0.facts.interface") == "cdev");
    CHECK(json->text("devices.0.blockers.0") == "0000:3b:00.2 does not tell its state");
}

TEST_CASE("candidates are shown with what to do next", "[probe]") {
    const std::vector<VfioCandidate> candidates{{.name = "0000:3b:00.2",
                                                 .driver = "mlx5_core",
                                                 .suggested = "mlx5_vfio_pci",
                                                 .ready = false,
                                                 .next = "modprobe ..."},
                                                {.name = "0000:3b:00.3",
                                                 .driver = "vfio-pci",
                                                 .suggested = "mlx5_vfio_pci",
                                                 .ready = true,
                                                 .next = "vfio,idstr=NAME,host=0000:3b:00.3"}};
    CHECK(candidates_text(candidates) ==
          "0000:3b:00.2: driver mlx5_core\n  as root: modprobe ...\n"
          "0000:3b:00.3: driver vfio-pci, which migrates nothing; mlx5_vfio_pci is for it\n"
          "  try: multifd probe --device vfio,idstr=NAME,host=0000:3b:00.3\n");
    CHECK_THAT(candidates_text({}), Catch::StartsWith("This host has no device"));
    const auto json = JsonReport::parse(candidates_json(candidates));
    REQUIRE(json);
    CHECK(json->text("candidates.0.command") == "modprobe ...");
    CHECK(json->text("candidates.1.device") == "vfio,idstr=NAME,host=0000:3b:00.3");
    CHECK(json->flag("candidates.1.ready"));
}

}  // namespace
}  // namespace multifd
