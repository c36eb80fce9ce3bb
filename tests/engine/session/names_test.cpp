// The printed names are a contract: QEMU's for a status, VFIO's for a device's state.
#include <catch2/catch.hpp>
#include <string>

#include "engine/session/version.hpp"
#include "multifd/device.hpp"
#include "multifd/report.hpp"

namespace multifd {

TEST_CASE("every status has QEMU's name where QEMU has it", "[engine]") {
    CHECK(to_string(Status::none) == "none");
    CHECK(to_string(Status::setup) == "setup");
    CHECK(to_string(Status::active) == "active");
    CHECK(to_string(Status::pre_switchover) == "pre-switchover");
    CHECK(to_string(Status::device) == "device");
    CHECK(to_string(Status::completed) == "completed");
    CHECK(to_string(Status::failed) == "failed");
    CHECK(to_string(Status::cancelling) == "cancelling");
    CHECK(to_string(Status::cancelled) == "cancelled");
    CHECK(to_string(Status::unknown_owner) == "unknown-owner");
}

TEST_CASE("every device state has the kernel's number and its name", "[engine]") {
    const char* const names[] = {"error",    "stop",        "running",  "stop-copy",
                                 "resuming", "running-p2p", "pre-copy", "pre-copy-p2p"};
    for (std::uint32_t i = 0; i < 8; ++i) CHECK(to_string(DeviceState{i}) == names[i]);
    CHECK(to_string(DeviceState{8}) == "unknown");
}

TEST_CASE("roles and owners are named", "[engine]") {
    CHECK(to_string(Role::source) == "source");
    CHECK(to_string(Role::destination) == "destination");
    CHECK(to_string(Owner::source) == "source");
    CHECK(to_string(Owner::destination) == "destination");
    CHECK(to_string(Owner::unknown) == "unknown");
}

TEST_CASE("the software says its name and version", "[engine]") {
    CHECK_THAT(software_name(), Catch::Matches("multifd [0-9]+\\.[0-9]+\\.[0-9]+"));
}

}  // namespace multifd
