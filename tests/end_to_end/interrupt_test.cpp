// Either process is interrupted at twenty moments: both cancel, or both complete.
#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <thread>

#include "tests/end_to_end/moments.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMoments = 20;
constexpr std::uint64_t kPackets = 48;
constexpr std::uint64_t kSeed = 20262;

/// Well below what an end waits for the explanation of a connection that has ended: that is held
/// back too.
constexpr auto kHold = std::chrono::milliseconds(50);

/// The promise.
constexpr auto kReportLimit = std::chrono::seconds(1) * kSlowdown;

Plan small_plan() {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=2MiB,seed=5,p2p=on")
        .device("memory,idstr=gpu1,size=1MiB,seed=6,precopy=off");
    plan.source_options = words("--packet-size 64KiB --multifd-channels 3");
    return plan;
}

/// Sends SIGINT to one end, and keeps the rest of the migration waiting for a while, so that the
/// signal is handled at that moment. Were it late all the same, both ends would have completed,
/// which is right too.
class Interruption {
  public:
    explicit Interruption(bool source) : source_(source) {}

    void operator()(MomentousMigration& running) {
        Migration& migration = running.migration();
        when_ = Clock::now();
        RunningCommand& victim = source_ ? migration.source() : migration.destination();
        victim.process().signal(SIGINT);
        std::this_thread::sleep_for(kHold);
    }
    [[nodiscard]] Clock::duration elapsed() const { return Clock::now() - when_.load(); }

  private:
    bool source_;
    std::atomic<Clock::time_point> when_{};  ///< Set by the relay's thread before the end.
};

/// Both have cancelled, or the cancel was too late (Commit was on its way) and both have completed.
void check_cancelled_or_completed(const Outcome& outcome, const CommandEnd& cancelling,
                                  const CommandEnd& other, bool too_late) {
    CHECK(outcome.invalid.empty());
    if (too_late || cancelling.exit_code == 0) {
        check_completed(outcome);
        return;
    }
    check_failed(cancelling, "cancelled", kCancelled);
    CHECK(cancelling.text("status") == "cancelled");
    check_failed(other, "cancelled_by_peer", kCancelled);
    CHECK(other.text("status") == "cancelled");
    check_source_kept(outcome);
}

}  // namespace

TEST_CASE("an interrupted source cancels both ends, or completes both", "[end_to_end]") {
    const auto moment = GENERATE(from_range(moments_of_a_migration(kMoments, kPackets, kSeed)));
    CAPTURE(moment, kSeed);
    Interruption interruption(true);
    MomentousMigration momentous(small_plan(), moment, std::ref(interruption));
    momentous.start();
    momentous.migration().finish_source();
    const auto elapsed = interruption.elapsed();
    const Outcome outcome = momentous.migration().finish();
    INFO(describe(outcome));
    REQUIRE(momentous.seen(moment));
    CHECK(elapsed < kReportLimit);
    CHECK(interruption.elapsed() < 2 * kReportLimit);
    check_cancelled_or_completed(outcome, outcome.source, outcome.destination,
                                 momentous.seen("main commit"));
}

TEST_CASE("an interrupted destination cancels both ends, or completes both", "[end_to_end]") {
    const auto moment = GENERATE(from_range(moments_of_a_migration(kMoments, kPackets, kSeed + 1)));
    CAPTURE(moment, kSeed);
    Interruption interruption(false);
    MomentousMigration momentous(small_plan(), moment, std::ref(interruption));
    momentous.start();
    momentous.migration().finish_destination();
    const auto elapsed = interruption.elapsed();
    const Outcome outcome = momentous.migration().finish();
    INFO(describe(outcome));
    REQUIRE(momentous.seen(moment));
    CHECK(elapsed < kReportLimit);
    CHECK(interruption.elapsed() < 2 * kReportLimit);
    check_cancelled_or_completed(outcome, outcome.destination, outcome.source,
                                 momentous.seen("main commit"));
}

TEST_CASE("a cancel in the middle of the packets is never too late", "[end_to_end]") {
    const bool source = GENERATE(true, false);
    CAPTURE(source);
    Plan plan = small_plan();
    // Slow enough that the rest takes seconds.
    plan.source_devices = {"memory,idstr=slow,size=64MiB,read-rate=8MiB"};
    plan.destination_devices = {"memory,idstr=slow,size=64MiB"};
    Interruption interruption(source);
    MomentousMigration momentous(plan, "packet 20", std::ref(interruption));
    momentous.start();
    const Outcome outcome = momentous.migration().finish();
    INFO(describe(outcome));
    CHECK(outcome.source.exit_code == kCancelled);
    CHECK(outcome.destination.exit_code == kCancelled);
    CHECK(interruption.elapsed() < 2 * kReportLimit);
    check_source_kept(outcome);
}

TEST_CASE("a destination that waits for its source ends when it is told to", "[end_to_end]") {
    const int number = GENERATE(SIGINT, SIGTERM);
    CAPTURE(number);
    Plan plan = small_plan();
    Migration migration(plan);
    REQUIRE_FALSE(migration.address().empty());
    migration.destination().process().signal(number);
    const CommandEnd end = migration.finish_destination();
    INFO(describe("destination", end));
    check_failed(end, "cancelled", kCancelled);
    CHECK(end.text("owner") == "source");
    CHECK(invalid_reports({migration.folder("destination") + "/report.json"}).empty());
}

TEST_CASE("a second signal ends the command at once and says what that risks", "[end_to_end]") {
    // The first signal's cancel waits for the device to run again, which it never does. By the time
    // that the destination has ended it is decided whose the devices are.
    Plan plan;
    plan.source_devices = {"memory,idstr=gpu0,size=4MiB,stuck=set-state:running"};
    plan.destination_devices = {"memory,idstr=gpu0,size=4MiB"};
    plan.source_options = words("--packet-size 64KiB --multifd-channels 3");
    MomentousMigration momentous(plan, "packet 20", [](MomentousMigration& running) {
        running.migration().source().process().signal(SIGINT);
    });
    momentous.start();
    const CommandEnd other = momentous.migration().finish_destination();
    CHECK(other.exit_code == kCancelled);
    momentous.migration().source().process().signal(SIGTERM);
    const CommandEnd end = momentous.migration().finish_source();
    const Outcome outcome = momentous.migration().finish();
    INFO(describe(outcome));
    CHECK(outcome.invalid.empty());
    CHECK(end.exit_code == 128 + SIGTERM);
    CHECK(end.standard_error.find("at once") != std::string::npos);
    CHECK(end.standard_error.find("devices may be left stopped") != std::string::npos);
    CHECK(outcome.destination.exit_code != 0);
    CHECK(outcome.destination.exit_code != kHung);
}

}  // namespace multifd
