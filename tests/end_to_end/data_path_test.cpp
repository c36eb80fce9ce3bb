// What the data path costs, counted in the real command: allocations, bytes through system calls,
// copies.
#include "tests/support/heap_counter.hpp"

#include <catch2/catch.hpp>

#include "channels/wire/limits.hpp"
#include "tests/end_to_end/migration.hpp"

namespace multifd {
namespace {

struct Counted {
    Counters source;
    Counters destination;
};

CommandSurroundings counted_in(const std::string& path) {
    CommandSurroundings surroundings;
    surroundings.environment = {{"LD_PRELOAD", MULTIFD_HEAP_COUNTER},
                                {kCountersFileVariable, path}};
    return surroundings;
}

/// A completed migration of `size` of state; `lend` at both ends.
Counted count(std::uint64_t size, const std::string& device_options,
              const std::string& compression = "none") {
    const TemporaryFolder folder;
    Plan plan;
    plan.device("memory,idstr=gpu0,seed=1,size=" + std::to_string(size) + device_options);
    plan.source_options =
        words("--multifd-channels 4 --packet-size 256KiB --multifd-compression " + compression);
    plan.source_surroundings = counted_in(folder / "source");
    plan.destination_surroundings = counted_in(folder / "destination");
    check_completed(migrate(plan));
    return {read_counters(folder / "source"), read_counters(folder / "destination")};
}

/// How much more of `counter` the larger migration took.
std::int64_t growth(const Counters& small, const Counters& large, const std::string& counter) {
    REQUIRE(small.contains(counter));
    REQUIRE(large.contains(counter));
    return static_cast<std::int64_t>(large.at(counter)) -
           static_cast<std::int64_t>(small.at(counter));
}

/// The same in units of the additional state.
double ratio(const Counters& small, const Counters& large, const std::string& counter,
             std::uint64_t additional) {
    return static_cast<double>(growth(small, large, counter)) / static_cast<double>(additional);
}

bool skipped() {
    if (kCountsHere) return false;
    WARN("SKIPPED: nothing can be counted under a sanitizer");
    return true;
}

}  // namespace

TEST_CASE("no end allocates for a packet", "[end_to_end]") {
    if (skipped()) return;
    struct Case {
        const char* options;
        const char* compression;
    };
    const auto one = GENERATE(values<Case>({{"", "none"},
                                            {",lend=on", "none"},
                                            {",compressible=90", "zstd"},
                                            {",compressible=90", "auto"}}));
    CAPTURE(one.options, one.compression);
    // 1024 packets, then 2048.
    const Counted small = count(256 * limits::kMiB, one.options, one.compression);
    const Counted large = count(512 * limits::kMiB, one.options, one.compression);
    // What else a longer run allocates for is counted in seconds (heartbeats, progress), not in
    // packets.
    constexpr std::int64_t kElse = 100;
    CHECK(growth(small.source, large.source, "allocation_calls") < kElse);
    CHECK(growth(small.destination, large.destination, "allocation_calls") < kElse);
    CHECK(growth(small.source, large.source, "mmap_calls") < kElse);
    CHECK(growth(small.destination, large.destination, "mmap_calls") < kElse);
}

TEST_CASE("a device behind calls costs the copies that the design names, and no more",
          "[end_to_end]") {
    if (skipped()) return;
    const Counted small = count(128 * limits::kMiB, "");
    const Counted large = count(384 * limits::kMiB, "");
    constexpr std::uint64_t kMore = 256 * limits::kMiB;
    // Buffer to socket, socket to buffer; headers are a thousandth.
    CHECK(ratio(small.source, large.source, "send_bytes", kMore) == Approx(1.0).margin(0.02));
    CHECK(ratio(small.destination, large.destination, "receive_bytes", kMore) ==
          Approx(1.0).margin(0.02));
    for (const auto* end : {"source", "destination"}) {
        CAPTURE(end);
        const bool source = end == std::string("source");
        const Counters& less = source ? small.source : small.destination;
        const Counters& more = source ? large.source : large.destination;
        CHECK(ratio(less, more, "read_bytes", kMore) == Approx(0.0).margin(0.01));
        CHECK(ratio(less, more, "write_bytes", kMore) == Approx(0.0).margin(0.01));
        // The device generates into the buffer, or checks in it: no copy in between.
        CHECK(ratio(less, more, "copy_bytes", kMore) == Approx(0.0).margin(0.02));
    }
}

TEST_CASE("a device that lends its memory costs no copy but those into and out of the kernel",
          "[end_to_end]") {
    if (skipped()) return;
    const Counted small = count(128 * limits::kMiB, ",lend=on");
    const Counted large = count(384 * limits::kMiB, ",lend=on");
    constexpr std::uint64_t kMore = 256 * limits::kMiB;
    CHECK(ratio(small.source, large.source, "send_bytes", kMore) == Approx(1.0).margin(0.02));
    CHECK(ratio(small.destination, large.destination, "receive_bytes", kMore) ==
          Approx(1.0).margin(0.02));
    CHECK(ratio(small.source, large.source, "copy_bytes", kMore) == Approx(0.0).margin(0.02));
    CHECK(ratio(small.destination, large.destination, "copy_bytes", kMore) ==
          Approx(0.0).margin(0.02));
}

TEST_CASE("a held device costs one copy more on each side: device to buffer, buffer to device",
          "[end_to_end]") {
    if (skipped()) return;
    const Counted small = count(128 * limits::kMiB, ",held=on");
    const Counted large = count(384 * limits::kMiB, ",held=on");
    constexpr std::uint64_t kMore = 256 * limits::kMiB;
    CHECK(ratio(small.source, large.source, "copy_bytes", kMore) == Approx(1.0).margin(0.02));
    CHECK(ratio(small.destination, large.destination, "copy_bytes", kMore) ==
          Approx(1.0).margin(0.02));
}

}  // namespace multifd
