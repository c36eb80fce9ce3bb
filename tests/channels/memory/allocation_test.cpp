#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "tests/support/heap_counter.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

/// Every call of malloc, aligned_alloc, libtbbmalloc and their like in a run of the subject.
std::uint64_t allocations(long packets, int capacity) {
    const TemporaryFolder folder;
    const std::string totals = (folder.path() / "totals").string();
    const ProcessEnd end = run_process(
        {.arguments = {MULTIFD_ALLOCATION_SUBJECT, std::to_string(packets),
                       std::to_string(capacity)},
         .environment = {{"LD_PRELOAD", MULTIFD_HEAP_COUNTER}, {kCountersFileVariable, totals}}},
        std::chrono::seconds(60));
    REQUIRE(end.exit_code == 0);
    const Counters counters = read_counters(totals);
    REQUIRE(counters.contains("allocation_calls"));
    return counters.at("allocation_calls");
}

TEST_CASE("a packet through pool and queue costs no allocation", "[allocation]") {
    const int capacity = GENERATE(1, 8, 300);
    const std::uint64_t few = allocations(10, capacity);
    CHECK(few > 0);  // the pool and the queue themselves: the counter counts
    CHECK(allocations(100'000, capacity) == few);
}

}  // namespace
}  // namespace multifd
