// Devices, disks and folders that fail: both ends end, with the cause, and the source goes on.
#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/end_to_end/migration.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

const char* const kDevice = "memory,idstr=gpu0,size=2MiB,seed=5";

Plan plan_of(const std::string& source, const std::string& destination) {
    Plan plan;
    plan.source_devices = {source};
    plan.destination_devices = {destination};
    plan.options = words("--stall-timeout 2s");
    plan.source_options = words("--packet-size 64KiB --multifd-channels 2");
    return plan;
}

/// `failing` says `code` and names gpu0; the other end says that its peer failed, and why.
void check_one_failed(const Outcome& outcome, const CommandEnd& failing, const CommandEnd& other,
                      const std::string& code, int exit_code) {
    INFO(describe(outcome));
    check_failed(failing, code, exit_code);
    CHECK(failing.text("error.device").starts_with("gpu0"));
    CHECK((other.exit_code == kPeerFailed || other.exit_code == exit_code));
    const std::string said = other.text("error.code") + " " + other.text("error.message");
    CHECK(said.find(code) != std::string::npos);
}

}  // namespace

TEST_CASE("a file device arrives complete, with its config", "[end_to_end]") {
    const TemporaryFolder files;
    const std::string state(3000000, 's');
    write_text(files / "in.state", state);
    write_text(files / "in.config", "configuration");
    const std::string in =
        "file,idstr=gpu0,path=" + (files / "in.state") + ",config=" + (files / "in.config");
    const std::string out =
        "file,idstr=gpu0,path=" + (files / "out.state") + ",config=" + (files / "out.config");
    check_completed(migrate(plan_of(in, out)));
    CHECK(read_text(files / "out.state") == state);
    CHECK(read_text(files / "out.config") == "configuration");
    // The source's file is a copy by then, not gone.
    CHECK(read_text(files / "in.state") == state);
}

TEST_CASE("a failed migration leaves an existing file as it was", "[end_to_end]") {
    const TemporaryFolder files;
    write_text(files / "in.state", std::string(2000000, 'n'));
    write_text(files / "out.state", "old");
    Plan plan = plan_of("file,idstr=a,path=" + (files / "in.state"),
                        "file,idstr=a,path=" + (files / "out.state"));
    plan.source_devices.emplace_back("memory,idstr=gpu0,size=1MiB,seed=1");
    plan.destination_devices.emplace_back("memory,idstr=gpu0,size=1MiB,seed=2");
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    CHECK(outcome.destination.exit_code == kDeviceFailed);
    CHECK(read_text(files / "out.state") == "old");
    const auto left = std::filesystem::directory_iterator(files.path());
    CHECK(std::distance(begin(left), end(left)) == 2);
    check_source_kept(outcome);
}

TEST_CASE("a config state that the destination's device does not take fails the migration",
          "[end_to_end]") {
    const TemporaryFolder files;
    write_text(files / "in.state", std::string(200000, 'n'));
    write_text(files / "in.config", "configuration");
    const Outcome outcome = migrate(
        plan_of("file,idstr=gpu0,path=" + (files / "in.state") + ",config=" + (files / "in.config"),
                "file,idstr=gpu0,path=" + (files / "out.state")));
    check_one_failed(outcome, outcome.destination, outcome.source, "device_failed", kDeviceFailed);
    CHECK_FALSE(std::filesystem::exists(files / "out.state"));
    check_source_kept(outcome);
}

TEST_CASE("a device with another content than the source's rejects its state", "[end_to_end]") {
    const std::string other =
        GENERATE("memory,idstr=gpu0,size=2MiB,seed=6", "memory,idstr=gpu0,size=1MiB,seed=5",
                 "memory,idstr=gpu0,size=3MiB,seed=5");
    CAPTURE(other);
    const Outcome outcome = migrate(plan_of(kDevice, other));
    INFO(describe(outcome));
    const std::string code = outcome.destination.text("error.code");
    CHECK((code == "device_rejected_state" || code == "device_failed"));
    check_one_failed(outcome, outcome.destination, outcome.source, code, kDeviceFailed);
    check_source_kept(outcome);
}

TEST_CASE("a folder for records that cannot be written stops a migration before it begins",
          "[end_to_end]") {
    const TemporaryFolder files;
    write_text(files / "not-a-folder", "");
    const Words folder{"--state-dir", (files / "not-a-folder") + "/state"};
    Plan plan = plan_of(kDevice, kDevice);
    plan.destination_options = folder;
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    check_failed(outcome.destination, "record_failed", kResources);
    check_source_kept(outcome);
    // A source that cannot keep records asks nobody.
    const CommandEnd end = run_command_with_report(
        Words{"send", "--to", "tcp:127.0.0.1:1", "--device", kDevice} + folder);
    INFO(describe("send", end));
    check_failed(end, "record_failed", kResources);
    CHECK(end.text("owner") == "source");
    CHECK(end.report->flag("retry-safe"));
    CHECK(end.text("devices.0.final-state") == "running");
}

TEST_CASE("a disk that is full at the destination fails the migration cleanly", "[end_to_end]") {
    ProcessSettings attempt;
    attempt.arguments = {"/usr/bin/unshare", "-m", "/bin/true"};
    if (run_process(attempt, kHangLimit).exit_code != 0) {
        WARN("SKIPPED: mounting a small disk of its own needs root");
        return;
    }
    // With room for it asked for in advance nothing has been stopped yet.
    const bool in_advance = GENERATE(true, false);
    CAPTURE(in_advance);
    const TemporaryFolder files;
    std::filesystem::create_directory(files / "disk");
    write_text(files / "in.state", std::string(4000000, 'n'));
    Plan plan = plan_of(
        "file,idstr=gpu0,path=" + (files / "in.state"),
        "file,idstr=gpu0,path=" + (files / "disk/out.state") + (in_advance ? "" : ",prealloc=off"));
    plan.destination_surroundings.wrapper = {
        "/usr/bin/unshare",
        "-m",
        "/bin/sh",
        "-c",
        "mount -t tmpfs -o size=1m tmpfs " + (files / "disk") + " && exec \"$@\"",
        "sh"};
    const Outcome outcome = migrate(plan);
    check_one_failed(outcome, outcome.destination, outcome.source, "device_failed", kDeviceFailed);
    const std::string said = outcome.destination.text("error.message");
    CHECK(said.find("No space left") != std::string::npos);
    CHECK(said.find("make room in " + (files / "disk") + " and run again") != std::string::npos);
    CHECK((outcome.destination.text("error.phase") == "setup") == in_advance);
    check_source_kept(outcome);
}

TEST_CASE("memory that cannot be had is an error, not a crash", "[end_to_end]") {
    if (kSanitized) {
        WARN("SKIPPED: a sanitizer's own memory does not fit into an address space limit");
        return;
    }
    Plan plan = plan_of("memory,idstr=gpu0,size=16GiB", "memory,idstr=gpu0,size=16GiB");
    plan.destination_options = words("--max-queued-bytes 1TiB");
    plan.destination_surroundings.address_space_bytes_max = std::uint64_t{1} << 30U;
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    CHECK((outcome.destination.exit_code == kResources || outcome.destination.exit_code == kUsage));
    CHECK((outcome.destination.text("error.code") == "memory_exhausted" ||
           outcome.destination.text("error.code") == "setting_invalid"));
    CHECK(outcome.source.exit_code != 0);
    check_source_kept(outcome);
}

}  // namespace multifd
