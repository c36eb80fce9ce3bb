// `multifd check` on drivers of a real kernel: it must see what is right, and what is not.
#include <catch2/catch.hpp>

#include "tests/end_to_end/command.hpp"
#include "tests/support/exit_codes.hpp"
#include "tests/vm/guest_device.hpp"

namespace multifd::vm {
namespace {

CommandEnd check(const MediatedDevice& source, const MediatedDevice& destination) {
    return run_command(Words{"check", "--json", "-", "--device", source.described("box"),
                             "--destination-device", destination.described("box")});
}

/// All items pass or are skipped, up to DMA logging, which fails for `reason`.
void check_conforms_up_to_dma_logging(const CommandEnd& end, const std::string& reason) {
    INFO(describe("check", end));
    CHECK(end.exit_code == kDeviceFailed);
    const auto report = JsonReport::parse(end.standard_output);
    REQUIRE(report);
    REQUIRE(report->size("items") > 15);
    for (std::size_t i = 0; i < report->size("items"); ++i) {
        const std::string path = "items." + std::to_string(i) + ".";
        INFO(report->text(path + "name"));
        if (report->text(path + "name") == "dma-logging") {
            CHECK(report->text(path + "result") == "failed");
            CHECK_THAT(report->text(path + "reason"), Catch::Contains(reason));
        } else {
            CHECK(report->text(path + "result") != "failed");
            CHECK(report->text(path + "reason") != "it was not reached");
        }
    }
}

TEST_CASE("our sample driver conforms, but for what this kernel lacks", "[tests]") {
    const Statebox source(1 << 20U, 3);
    const Statebox destination(1 << 20U);
    check_conforms_up_to_dma_logging(check(source, destination),
                                     "reading its DMA log: Operation not supported");
}

TEST_CASE("the kernel's sample driver conforms, but for its DMA log", "[tests]") {
    const MediatedDevice source("mtty-2");
    const MediatedDevice destination("mtty-2");
    // It logs nothing, and starts as often as it is asked.
    check_conforms_up_to_dma_logging(check(source, destination),
                                     "start_dma_logging() succeeded while the log was on");
}

TEST_CASE("a driver that fails a transition fails the item that asks for it", "[tests]") {
    const Statebox source(1 << 20U, 3);
    const Statebox destination(1 << 20U);
    destination.set("fail", "1 22 -1");
    const CommandEnd end = check(source, destination);
    INFO(describe("check", end));
    CHECK(end.exit_code == kDeviceFailed);
    const auto report = JsonReport::parse(end.standard_output);
    REQUIRE(report);
    CHECK(report->text("result") == "failed");
    // The first item in which the destination is stopped.
    CHECK(report->text("items.3.name") == "round-trip");
    CHECK(report->text("items.3.result") == "failed");
    CHECK_THAT(report->text("items.3.reason"),
               Catch::Contains("going from running-p2p to stop failed: Invalid argument"));
    CHECK(report->text("items.2.result") == "passed");
}

}  // namespace
}  // namespace multifd::vm
