#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "tests/support/heap_counter.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

/// Every allocation in a run of the subject, and every mapping it makes.
std::uint64_t allocations(long packets, int level) {
    const TemporaryFolder folder;
    const std::string totals = (folder.path() / "totals").string();
    const ProcessEnd end = run_process(
        {.arguments = {MULTIFD_ALLOCATION_SUBJECT, std::to_string(packets), std::to_string(level)},
         .environment = {{"LD_PRELOAD", MULTIFD_HEAP_COUNTER}, {kCountersFileVariable, totals}}},
        std::chrono::seconds(60));
    REQUIRE(end.exit_code == 0);
    const Counters counters = read_counters(totals);
    REQUIRE(counters.contains("allocation_calls"));
    REQUIRE(counters.contains("mmap_calls"));
    return counters.at("allocation_calls") + counters.at("mmap_calls");
}

TEST_CASE("a packet through the codecs and back costs no allocation", "[allocation]") {
    const int level = GENERATE(1, 3, 9);
    const std::uint64_t few = allocations(1, level);
    CHECK(few > 0);  // the contexts and buffers themselves: the counter counts
    CHECK(allocations(1200, level) == few);
}

}  // namespace
}  // namespace multifd
