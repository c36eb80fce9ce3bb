// A destination's memory: bounded however slow its device is.
#include <catch2/catch.hpp>

#include "tests/end_to_end/migration.hpp"

namespace multifd {
namespace {

constexpr std::uint64_t kMiB = 1U << 20U;

/// What the command needs besides state: its code, its threads' stacks, its buffers' bookkeeping.
constexpr std::uint64_t kOwnMemory = 64 * kMiB;

}  // namespace

TEST_CASE("a slow device does not make the destination hold more than its limit", "[end_to_end]") {
    const unsigned devices = GENERATE(1U, 4U);
    CAPTURE(devices);
    constexpr std::uint64_t kLimit = 4 * kMiB;
    constexpr std::uint64_t kPacket = 256 * 1024;
    Plan plan;
    for (unsigned device = 0; device < devices; ++device) {
        const std::string name = "memory,idstr=gpu" + std::to_string(device) + ",size=48MiB";
        plan.source_devices.push_back(name);
        plan.destination_devices.push_back(name + ",write-rate=64MiB");
    }
    plan.source_options = words("--packet-size 256KiB --multifd-channels 4");
    plan.destination_options = words("--max-queued-bytes 4MiB");
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    INFO(describe(outcome));
    const std::uint64_t peak = outcome.destination.number("peak-queued-bytes");
    CHECK(peak <= kLimit + kPacket);
    // The source is much faster, so a destination that reports less has not counted.
    CHECK(peak > kLimit / 2);
    if (!kSanitized) CHECK(outcome.destination.resident_bytes_max <= kLimit + kOwnMemory);
}

TEST_CASE("a limit of exactly one packet is enough for many devices on many channels",
          "[end_to_end]") {
    Plan plan;
    for (const auto* name : {"a", "b", "c", "d", "e"}) {
        plan.device(std::string("memory,idstr=") + name + ",size=3MiB");
    }
    plan.source_options = words("--packet-size 64KiB --multifd-channels 7");
    plan.destination_options = words("--max-queued-bytes 64KiB --max-packet-size 64KiB");
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    CHECK(outcome.destination.number("peak-queued-bytes") <= 2 * 64 * 1024);
}

TEST_CASE("a limit below one packet is an error at the start", "[end_to_end]") {
    const CommandEnd end = run_command_with_report(
        words("receive --listen tcp:127.0.0.1:0 --device memory,idstr=gpu0,size=1MiB "
              "--max-queued-bytes 64KiB --max-packet-size 1MiB"));
    INFO(describe("receive", end));
    CHECK(end.exit_code == 2);
    CHECK(end.text("error.message").find("max-queued-bytes") != std::string::npos);
}

}  // namespace multifd
