// Either process is killed while the devices still run: the source keeps them, whoever is left.
#include <catch2/catch.hpp>
#include <csignal>

#include "tests/end_to_end/moments.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

struct Death {
    const char* pre_copy_on_channels;  ///< --multifd-pre-copy.
    const char* moment;
};

// The first 512 packets are those of a first round over 32 MiB.
const std::vector<Death> kDeaths{{"on", "main section start"}, {"on", "packet 0"},
                                 {"on", "packet 17"},          {"on", "packet 100"},
                                 {"off", "main section part"}, {"off", "main section start"}};

Plan pre_copy_plan(const Death& death) {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=32MiB,seed=5,precopy=on,dirty-rate=2MiB")
        .device("memory,idstr=gpu1,size=1MiB,seed=6");
    plan.options = Words{"--multifd-pre-copy", death.pre_copy_on_channels};
    // Half a second of pre-copy, so that none of it has ended when a death takes effect; and a
    // limit that 32 MiB do not fit, whatever rate is measured meanwhile.
    plan.source_options = words(
        "--packet-size 64KiB --multifd-channels 3 --max-bandwidth 64MiB --downtime-limit 1ms");
    return plan;
}

void check_peer_lost(const CommandEnd& end) {
    REQUIRE(end.exit_code != kHung);
    // Pre-copy data on the main channel may have been cut inside a record.
    const bool cut = end.exit_code == kProtocol && end.text("error.code") == "stream_truncated";
    CHECK((end.exit_code == kPeerFailed || end.exit_code == kConnection || cut));
    CHECK(end.text("status") == "failed");
    CHECK(end.text("owner") == "source");
    REQUIRE(end.report.has_value());
    CHECK(end.report->has("error.code"));
}

/// The devices ran up to the death, or it came too late to say anything about pre-copy.
void check_in_pre_copy(const MomentousMigration& momentous, const Death& death) {
    CHECK(momentous.seen(death.moment));
    CHECK_FALSE(momentous.seen("main switchover-start"));
    CHECK_FALSE(momentous.seen("main commit"));
}

}  // namespace

TEST_CASE("a source killed in pre-copy leaves a destination that never runs its state",
          "[end_to_end]") {
    const auto death = GENERATE(from_range(kDeaths));
    CAPTURE(death.pre_copy_on_channels, death.moment);
    MomentousMigration momentous(
        pre_copy_plan(death), death.moment,
        [](MomentousMigration& running) { running.migration().source().process().kill(); });
    momentous.start();
    const CommandEnd end = momentous.migration().finish_destination();
    const Outcome outcome = momentous.migration().finish();
    INFO(describe("destination", end));
    check_in_pre_copy(momentous, death);
    CHECK(outcome.source.exit_code == -SIGKILL);
    CHECK(outcome.invalid.empty());
    check_peer_lost(end);
    // Both are in RESUMING since before the first section.
    CHECK(end.text("devices.0.final-state") == "stop");
    CHECK(end.text("devices.1.final-state") == "stop");
}

TEST_CASE("a source whose destination is killed in pre-copy runs on", "[end_to_end]") {
    const auto death = GENERATE(from_range(kDeaths));
    CAPTURE(death.pre_copy_on_channels, death.moment);
    MomentousMigration momentous(
        pre_copy_plan(death), death.moment,
        [](MomentousMigration& running) { running.migration().destination().process().kill(); });
    momentous.start();
    const CommandEnd end = momentous.migration().finish_source();
    const Outcome outcome = momentous.migration().finish();
    INFO(describe("source", end));
    check_in_pre_copy(momentous, death);
    CHECK(outcome.destination.exit_code == -SIGKILL);
    CHECK(outcome.invalid.empty());
    check_peer_lost(end);
    CHECK(end.report->flag("retry-safe"));
    CHECK(end.text("devices.0.final-state") == "running");
    CHECK(end.text("devices.1.final-state") == "running");
}

}  // namespace multifd
