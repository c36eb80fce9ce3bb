// What a run leaves where it wrote: reports that nobody takes, sockets, files of a killed run.
#include <sys/stat.h>
#include <sys/un.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <thread>

#include "tests/end_to_end/moments.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

namespace fs = std::filesystem;

/// A send that fails: nobody listens at its address.
Words failing_send(const TemporaryFolder& folder) {
    return {"send",
            "--to",
            "unix:" + (folder / "nobody"),
            "--device",
            "memory,idstr=gpu0,size=1MiB",
            "--state-dir",
            folder / "state"};
}

bool exists(const std::string& path) {
    return fs::exists(fs::symlink_status(path));
}

/// Looks again and again, since nothing tells when it comes true; false when the command has ended.
template <class Condition>
bool wait_until(RunningCommand& command, Condition condition) {
    while (!condition()) {
        if (!command.running()) return false;
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return true;
}

}  // namespace

TEST_CASE("a report that cannot be written costs no failed run its exit code", "[end_to_end]") {
    const TemporaryFolder folder;
    const CommandEnd failed = run_command(failing_send(folder) + words("--json /dev/full"));
    INFO(describe("send", failed));
    CHECK(failed.exit_code == kConnection);
    CHECK(failed.standard_error.find("cannot be written to /dev/full: No space left") !=
          std::string::npos);
    const CommandEnd misused =
        run_command(failing_send(folder) + words("--json /dev/full --bogus"));
    INFO(describe("send", misused));
    CHECK(misused.exit_code == kUsage);
    CHECK(misused.standard_error.find("--bogus") != std::string::npos);
}

TEST_CASE("a report that cannot be written costs a completed run its zero", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB");
    plan.source_options = words("--json /dev/full");
    Migration migration(plan);
    migration.start();
    const CommandEnd source = migration.finish_source();
    INFO(describe("source", source));
    CHECK(source.exit_code == kResources);
    CHECK(source.standard_output.find("owner: destination") != std::string::npos);
    CHECK(migration.finish_destination().exit_code == 0);
}

TEST_CASE("a report to a pipe that nobody reads is given up at the first signal", "[end_to_end]") {
    const TemporaryFolder folder;
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    RunningCommand command(folder.path(), failing_send(folder) + Words{"--json", folder / "pipe"});
    const auto waits = [&] {
        return command.errors_so_far().find("nobody reads " + (folder / "pipe") + " yet") !=
               std::string::npos;
    };
    REQUIRE(wait_until(command, waits));
    command.process().signal(SIGTERM);
    const CommandEnd end = command.finish();
    INFO(describe("send", end));
    CHECK(end.exit_code == kConnection);
    // It did not wait to the end of its own patience.
    CHECK(end.standard_error.find("cannot be written") == std::string::npos);
}

TEST_CASE("a report to a pipe waits for a reader who comes late", "[end_to_end]") {
    const TemporaryFolder folder;
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    RunningCommand command(folder.path(), failing_send(folder) + Words{"--json", folder / "pipe"});
    REQUIRE(wait_until(command, [&] {
        return command.errors_so_far().find("nobody reads") != std::string::npos;
    }));
    const auto report = JsonReport::parse(read_text(folder / "pipe"));
    CHECK(command.finish().exit_code == kConnection);
    REQUIRE(report.has_value());
    CHECK(report->text("error.code") == "connect_failed");
}

TEST_CASE("a destination that is told to end at once leaves no socket file", "[end_to_end]") {
    // The sooner the signal, the less of the run has begun: several moments around the start.
    for (int run = 0; run < 10; ++run) {
        CAPTURE(run);
        const TemporaryFolder folder;
        const std::string socket = folder / "socket";
        RunningCommand command(folder.path(),
                               {"receive", "--listen", "unix:" + socket, "--device",
                                "memory,idstr=gpu0,size=1MiB", "--state-dir", folder / "state"});
        REQUIRE(wait_until(command, [&] { return exists(socket); }));
        std::this_thread::sleep_for(std::chrono::microseconds(run * 300));
        command.process().signal(SIGTERM);
        const CommandEnd end = command.finish();
        INFO(describe("receive", end));
        CHECK(end.exit_code == kCancelled);
        CHECK_FALSE(exists(socket));
    }
}

TEST_CASE("a destination that a second signal ends leaves no socket file", "[end_to_end]") {
    const TemporaryFolder folder;
    const std::string socket = folder / "socket";
    Plan plan;
    plan.transport = Plan::Transport::unix_socket;
    plan.source_devices = {"memory,idstr=gpu0,size=4MiB"};
    plan.destination_devices = {"memory,idstr=gpu0,size=4MiB,stuck=write:1MiB"};
    Migration migration(plan);
    const std::string path = migration.address().substr(std::string("unix:").size());
    REQUIRE(exists(path));
    migration.start();
    REQUIRE(wait_until(migration.destination(), [&] {
        return migration.destination().errors_so_far().find("agreed with") != std::string::npos;
    }));
    migration.destination().process().signal(SIGINT);
    migration.destination().process().signal(SIGTERM);
    const CommandEnd end = migration.finish_destination();
    INFO(describe("receive", end));
    CHECK(end.exit_code != kHung);
    CHECK_FALSE(exists(path));
    migration.finish();
}

TEST_CASE(
    "a killed destination's file is the old or the new one, and the next run says what is "
    "left",
    "[end_to_end]") {
    struct Case {
        const char* moment;
        const char* content;  ///< Of the destination's file afterwards.
        const char* said;     ///< By the next run.
    };
    const auto killed = GENERATE(values<Case>({
        {"main section full", "old", "an incomplete state that a run left"},
        {"back loaded", "new", "was left by a run that was killed before its devices ran"},
    }));
    CAPTURE(killed.moment);
    const TemporaryFolder folder;
    const std::string fresh(300'000, 'n');
    write_text(folder / "source.state", fresh);
    write_text(folder / "arrived.state", "old");
    const std::string device = "file,idstr=gpu0,path=" + (folder / "arrived.state");
    Plan plan;
    plan.source_devices = {"file,idstr=gpu0,path=" + (folder / "source.state")};
    plan.destination_devices = {device};
    MomentousMigration momentous(plan, killed.moment, [](MomentousMigration& running) {
        running.migration().destination().process().kill();
    });
    momentous.start();
    momentous.migration().finish();
    REQUIRE(momentous.seen(killed.moment));
    const std::string found = read_text(folder / "arrived.state");
    CHECK(found == (killed.content == std::string("new") ? fresh : "old"));

    RunningCommand next(folder / "next",
                        {"receive", "--listen", "tcp:127.0.0.1:0", "--address-file",
                         folder / "address", "--device", device, "--state-dir", folder / "state"});
    REQUIRE_FALSE(wait_for_address(folder / "address", next).empty());
    next.process().signal(SIGTERM);
    const CommandEnd end = next.finish();
    INFO(describe("receive", end));
    CHECK(end.standard_error.find(killed.said) != std::string::npos);
    CHECK(read_text(folder / "arrived.state") == found);
}

}  // namespace multifd
