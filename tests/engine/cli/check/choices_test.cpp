#include "engine/cli/check/choices.hpp"

#include <catch2/catch.hpp>

#include "engine/devices/device_options.hpp"

namespace multifd::checking {
namespace {

TEST_CASE("an event's command is what follows the first equals sign", "[check]") {
    const EventCommand command = read_event_command("destination-running=test a=b");
    CHECK(command.event == "destination-running");
    CHECK(command.command == "test a=b");
    CHECK_THROWS_WITH(read_event_command("running=true"),
                      Catch::Contains("names no event") && Catch::Contains("source-resumed"));
    CHECK_THROWS_AS(read_event_command("failed"), UsageError);
    CHECK_THROWS_AS(read_event_command("failed="), UsageError);
}

TEST_CASE("a DMA range is an address and a size", "[check]") {
    CHECK(read_dma_range("4096:64MiB").iova == 4096);
    CHECK(read_dma_range("4096:64MiB").size == 64U << 20U);
    CHECK(read_dma_range("0x100000:4096").iova == 1U << 20U);
    for (const char* wrong : {"", "0", "0:", ":4096", "0:0", "x:1", "0x:1", "0xffffffffffffffff:2",
                              "-1:4096", "1:4096x"}) {
        INFO(wrong);
        CHECK_THROWS_AS(read_dma_range(wrong), UsageError);
    }
    CHECK(read_dma_range("0xffffffffffffffff:1").size == 1);
    CHECK(read_dma_range("0:1TiB").size == std::uint64_t{1} << 40U);
    for (const char* large : {"0:1099511627777", "0:2TiB", "0:18446744073709551615"}) {
        INFO(large);
        CHECK_THROWS_WITH(read_dma_range(large), Catch::Contains("one range may have 1TiB"));
    }
}

TEST_CASE("the largest state is a size", "[check]") {
    CHECK(read_max_state("2GiB") == std::uint64_t{2} << 30U);
    CHECK_THROWS_WITH(read_max_state("0"), Catch::Contains("at least 1 is allowed"));
    CHECK_THROWS_AS(read_max_state("much"), UsageError);
}

TEST_CASE("an item is one that there is", "[check]") {
    CHECK(read_item("odd-sizes") == "odd-sizes");
    CHECK_THROWS_WITH(read_item("odd-size"), Catch::Contains("nearest is odd-sizes"));
}

}  // namespace
}  // namespace multifd::checking
