// `multifd probe`, as a user runs it.
#include <catch2/catch.hpp>

#include "tests/end_to_end/command.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

TEST_CASE("probe says what a device can do", "[probe]") {
    const CommandEnd end =
        run_command(Words{"probe", "--device", "memory,idstr=gpu0,size=3MiB,p2p=on", "--json"});
    INFO(describe("probe", end));
    CHECK(end.exit_code == 0);
    const auto report = JsonReport::parse(end.standard_output);
    REQUIRE(report);
    CHECK(report->text("devices.0.kind") == "memory");
    CHECK(report->text("devices.0.state") == "running");
    CHECK(report->flag("devices.0.p2p"));
    CHECK(report->number("devices.0.state-bytes") >= 3 << 20U);
}

TEST_CASE("probe without a device lists this host's, and always succeeds", "[probe]") {
    const CommandEnd end = run_command(words("probe --json"));
    INFO(describe("probe", end));
    CHECK(end.exit_code == 0);
    const auto report = JsonReport::parse(end.standard_output);
    REQUIRE(report);
    CHECK(report->has("candidates"));
}

TEST_CASE("probe of a device that cannot be opened is a usage error with the reason", "[probe]") {
    const CommandEnd end = run_command(words("probe --device vfio,idstr=vf0,host=ffff:ff:1f.7"));
    INFO(describe("probe", end));
    CHECK(end.exit_code == kUsage);
    CHECK(end.standard_error.find("there is no PCI function ffff:ff:1f.7") != std::string::npos);
}

}  // namespace
}  // namespace multifd
