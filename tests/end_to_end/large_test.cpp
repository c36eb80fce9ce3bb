// Eight gibibytes: a state far larger than what either end may hold.
#include <catch2/catch.hpp>

#include "tests/end_to_end/migration.hpp"

namespace multifd {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kStateMiB = kSanitized ? 512 : 8192;

std::string large_device() {
    return "memory,idstr=gpu0,seed=7,size=" + std::to_string(kStateMiB) + "MiB";
}

}  // namespace

TEST_CASE("8 GiB arrive whole", "[end_to_end]") {
    Plan plan;
    plan.device(large_device());
    plan.source_options = words("--multifd-channels 4");
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    CHECK(outcome.destination.number("devices.0.bytes") >= kStateMiB * kMiB);
}

TEST_CASE("8 GiB into a device of 500 MiB/s need no more than the limit", "[end_to_end]") {
    constexpr std::uint64_t kLimit = 64 * kMiB;
    Plan plan;
    plan.source_devices = {large_device()};
    plan.destination_devices = {large_device() + ",write-rate=500MiB"};
    plan.source_options = words("--multifd-channels 4");
    plan.destination_options = words("--max-queued-bytes 64MiB");
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    INFO(describe(outcome));
    CHECK(outcome.destination.number("peak-queued-bytes") <= kLimit + kMiB);
    if (kSanitized) return;
    CHECK(outcome.destination.resident_bytes_max <= kLimit + 64 * kMiB);
    // The source has no reason to hold more than its own buffers.
    CHECK(outcome.source.resident_bytes_max <= 256 * kMiB);
}

}  // namespace multifd
