// Either process is killed at twenty moments: the other one ends, and nobody owns twice.
#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "tests/end_to_end/moments.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

constexpr std::size_t kMoments = 20;
constexpr std::uint64_t kPackets = 48;
constexpr std::uint64_t kSeed = 20261;

/// 3 MiB in packets of 64 KiB: as many packets as moments are drawn from, over three channels.
Plan small_plan() {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=2MiB,seed=5,p2p=on")
        .device("memory,idstr=gpu1,size=1MiB,seed=6,precopy=off");
    plan.source_options = words("--packet-size 64KiB --multifd-channels 3");
    return plan;
}

void check_final_states(const CommandEnd& end, const std::string& state) {
    REQUIRE(end.report.has_value());
    CHECK(end.report->size("devices") == 2);
    CHECK(end.text("devices.0.final-state") == state);
    CHECK(end.text("devices.1.final-state") == state);
}

void check_unknown_owner(const CommandEnd& end) {
    CHECK(end.exit_code == kUnknownOwner);
    CHECK(end.text("status") == "unknown-owner");
    CHECK(end.text("owner") == "unknown");
    REQUIRE(end.report.has_value());
    CHECK_FALSE(end.report->flag("retry-safe"));
    check_final_states(end, "stop");
}

void check_completed_alone(const CommandEnd& end, const std::string& state) {
    CHECK(end.exit_code == 0);
    CHECK(end.text("status") == "completed");
    CHECK(end.text("owner") == "destination");
    check_final_states(end, state);
}

void check_peer_lost(const CommandEnd& end) {
    CHECK((end.exit_code == kPeerFailed || end.exit_code == kConnection));
    CHECK(end.text("status") == "failed");
    CHECK(end.text("owner") == "source");
    REQUIRE(end.report.has_value());
    CHECK(end.report->has("error.code"));
}

/// Whom the records of an end name as the owner, through the command that operators would use.
std::string recorded_owner(const std::string& state_folder) {
    const CommandEnd status = run_command(Words{"status", "--state-dir", state_folder, "--json"});
    INFO(describe("status", status));
    CHECK(status.exit_code == 0);
    const auto report = JsonReport::parse(status.standard_output);
    REQUIRE(report.has_value());
    return report->text("sessions.0.owner");
}

/// Before its first question is heard a source is a stranger: a destination that has only seen it
/// go waits for another, until somebody tells it to end. Whether it did.
bool ended_as_a_waiting_one(MomentousMigration& momentous, const Moment& moment) {
    RunningCommand& destination = momentous.migration().destination();
    if (moment != "main command 2") return false;
    while (destination.running()) {
        const std::string said = destination.errors_so_far();
        const bool waits = said.find("was refused") != std::string::npos ||
                           said.find("waiting for another") != std::string::npos;
        if (waits) {
            destination.process().signal(SIGTERM);
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
}

}  // namespace

TEST_CASE("a destination outlives its killed source, and knows whether it owns", "[end_to_end]") {
    const auto moment = GENERATE(from_range(moments_of_a_migration(kMoments, kPackets, kSeed)));
    CAPTURE(moment, kSeed);
    MomentousMigration momentous(small_plan(), moment, [](MomentousMigration& running) {
        running.migration().source().process().kill();
    });
    momentous.start();
    const bool waited = ended_as_a_waiting_one(momentous, moment);
    const CommandEnd end = momentous.migration().finish_destination();
    const Outcome outcome = momentous.migration().finish();
    INFO(describe("destination", end));
    REQUIRE(momentous.seen(moment));
    CHECK(outcome.source.exit_code == -SIGKILL);
    REQUIRE(end.exit_code != kHung);
    CHECK(outcome.invalid.empty());
    if (waited) {
        check_failed(end, "cancelled", kCancelled);
    } else if (momentous.seen("main commit")) {
        check_completed_alone(end, "running");
        CHECK(recorded_owner(momentous.migration().source_state_folder()) != "source");
    } else if (momentous.seen("back loaded") || end.exit_code == kUnknownOwner) {
        check_unknown_owner(end);
    } else {
        check_peer_lost(end);
        // A device that never got any of the source's state may do what it did before.
        if (end.number("transferred") == 0) return;
        CHECK(end.text("devices.0.final-state") != "running");
        CHECK(end.text("devices.1.final-state") != "running");
    }
}

TEST_CASE("a source outlives its killed destination, and runs only what it owns", "[end_to_end]") {
    const auto moment = GENERATE(from_range(moments_of_a_migration(kMoments, kPackets, kSeed + 1)));
    CAPTURE(moment, kSeed);
    MomentousMigration momentous(small_plan(), moment, [](MomentousMigration& running) {
        running.migration().destination().process().kill();
    });
    momentous.start();
    const CommandEnd end = momentous.migration().finish_source();
    const Outcome outcome = momentous.migration().finish();
    INFO(describe("source", end));
    REQUIRE(momentous.seen(moment));
    CHECK(outcome.destination.exit_code == -SIGKILL);
    REQUIRE(end.exit_code != kHung);
    CHECK(outcome.invalid.empty());
    if (momentous.seen("back running")) {
        check_completed_alone(end, "stop");
    } else if (momentous.seen("main commit") || end.exit_code == kUnknownOwner) {
        check_unknown_owner(end);
        CHECK(recorded_owner(momentous.migration().source_state_folder()) == "unknown");
    } else {
        check_peer_lost(end);
        check_final_states(end, "running");
        CHECK(end.report->flag("retry-safe"));
    }
    // The killed end may have been about to own, but only after a Commit.
    if (!momentous.seen("main commit") && momentous.seen("back loaded")) {
        CHECK(recorded_owner(momentous.migration().destination_state_folder()) != "destination");
    }
}

TEST_CASE("a destination in doubt holds its devices until it is told to stop", "[end_to_end]") {
    Plan plan = small_plan();
    plan.destination_options = words("--on-unknown-owner hold");
    MomentousMigration momentous(plan, "back loaded", [](MomentousMigration& running) {
        running.migration().source().process().kill();
    });
    momentous.start();
    momentous.migration().finish_source();
    RunningCommand& destination = momentous.migration().destination();
    // Longer than it would take to give up: the doubt must not end by itself.
    CHECK_FALSE(destination.process().wait(std::chrono::seconds(2)).has_value());
    destination.process().signal(SIGINT);
    const CommandEnd end = momentous.migration().finish_destination();
    INFO(describe("destination", end));
    check_unknown_owner(end);
}

}  // namespace multifd
