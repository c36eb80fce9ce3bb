// multifd check: the command over our own devices, right and wrong.
#include <signal.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/end_to_end/command.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

const std::string kMemory = "memory,idstr=gpu0,size=1MiB";

/// `multifd check` with a JSON report, which is not that of a migration.
CommandEnd run_check(const Words& arguments) {
    const TemporaryFolder folder;
    const Words words{"check", "--json", folder / "report.json", "--keep", folder / "kept"};
    return RunningCommand(folder / "", words + arguments).finish();
}

TEST_CASE("check passes our own devices", "[check]") {
    const std::string options = GENERATE(as<std::string>{}, "precopy=on,dirty-rate=10MiB",
                                         "lend=on", "p2p=off,config-size=0");
    const CommandEnd end = run_check(Words{"--device", kMemory + "," + options,
                                           "--destination-device", kMemory + "," + options});
    INFO(describe("check", end));
    CHECK(end.exit_code == 0);
    CHECK(end.text("schema") == "multifd-check/1");
    CHECK(end.text("result") == "passed");
    CHECK(end.number("repetitions") == 1);
    CHECK(end.standard_output.find("passed   round-trip") != std::string::npos);
}

TEST_CASE("check compares what a file device has written", "[check]") {
    const TemporaryFolder folder;
    write_text(folder / "state", std::string(70'000, 'x'));
    const CommandEnd end =
        run_check(Words{"--device", "file,idstr=gpu0,path=" + (folder / "state"),
                        "--destination-device", "file,idstr=gpu0,path=" + (folder / "arrived")});
    INFO(describe("check", end));
    CHECK(end.exit_code == 0);
    CHECK(read_text(folder / "arrived") == read_text(folder / "state"));
}

TEST_CASE("check passes a device that another process serves", "[check]") {
    const TemporaryFolder folder;
    const std::string socket = folder / "socket";
    RunningCommand server(folder / "", Words{"serve-device", "--socket", socket, "--device",
                                             kMemory + ",precopy=on"});
    const auto limit = std::chrono::steady_clock::now() + kHangLimit;
    while (!std::filesystem::exists(socket) && std::chrono::steady_clock::now() < limit) {
        REQUIRE(server.running());
    }
    const CommandEnd end = run_check(Words{"--device", "vfio-user,idstr=gpu0,socket=" + socket});
    INFO(describe("check", end));
    CHECK(end.exit_code == 0);
    CHECK(end.text("source.kind") == "vfio-user");
    CHECK(end.text("result") == "passed");
    server.process().signal(SIGTERM);
    CHECK(server.finish().exit_code == 0);
}

TEST_CASE("check names the item that fails, and keeps what there was", "[check]") {
    const TemporaryFolder folder;
    const std::string said = folder / "said";
    const CommandEnd end = run_check(Words{
        "--device", kMemory + ",fail=write:4096", "--keep", folder / "kept", "--junit",
        folder / "junit.xml", "--on", "failed=echo $MULTIFD_EVENT in $MULTIFD_ITEM > " + said});
    INFO(describe("check", end));
    CHECK(end.exit_code == kDeviceFailed);
    CHECK(end.text("result") == "failed");
    CHECK(end.text("failure.item") == "round-trip");
    CHECK(end.text("failure.kept") == folder / "kept");
    CHECK(end.text("failure.source-state") == "resuming");
    CHECK(end.standard_output.find("failure injected in write") != std::string::npos);
    CHECK(read_text(said) == "failed in round-trip\n");
    CHECK(read_text(folder / "kept/source.state").size() == 1U << 20U);
    CHECK(read_text(folder / "kept/calls.txt").find("failure injected") != std::string::npos);
    CHECK(read_text(folder / "junit.xml").find("failures=\"1\"") != std::string::npos);
}

TEST_CASE("check verifies by the user's command, between save and run", "[check]") {
    const CommandEnd end = run_check(Words{"--device", kMemory, "--item", "round-trip", "--on",
                                           "destination-running=echo the pattern is gone; exit 7"});
    INFO(describe("check", end));
    CHECK(end.exit_code == kDeviceFailed);
    CHECK(end.text("failure.reason").find("ended with 7") != std::string::npos);
    CHECK(end.standard_error.find("the pattern is gone") != std::string::npos);
}

TEST_CASE("check does not hang with a device that does", "[check]") {
    const std::string fault =
        GENERATE(as<std::string>{}, "hang=read", "stuck=read", "stuck=set-state:stop-copy");
    const CommandEnd end =
        run_check(Words{"--device", kMemory + "," + fault, "--stall-timeout", "200ms", "-q"});
    INFO(describe("check", end));
    CHECK(end.exit_code == kDeviceFailed);
    CHECK(end.text("failure.reason").find("has not returned within 200ms") != std::string::npos);
    CHECK(end.standard_output.empty());
    CHECK(end.standard_error.find("has not returned") != std::string::npos);
}

TEST_CASE("check ends at a signal, with what it has found", "[check]") {
    const TemporaryFolder folder;
    const std::string began = folder / "began";
    RunningCommand command(
        folder / "", Words{"check", "--json", folder / "report.json", "--device", kMemory, "--on",
                           "source-running=echo > " + began + "; exec sleep 1000"});
    const auto limit = std::chrono::steady_clock::now() + kHangLimit;
    while (read_text(began).empty() && std::chrono::steady_clock::now() < limit) {
        REQUIRE(command.running());
    }
    command.process().signal(SIGINT);
    const CommandEnd end = command.finish();
    INFO(describe("check", end));
    CHECK(end.exit_code == kCancelled);
    CHECK(end.text("result") == "stopped");
    CHECK(end.text("items.0.result") == "passed");
}

TEST_CASE("check says what is wrong with its command line", "[check]") {
    const auto fails = [](const Words& arguments, const std::string& part) {
        const CommandEnd end = run_command(Words{"check"} + arguments);
        INFO(describe("check", end));
        CHECK(end.exit_code == kUsage);
        CHECK(end.standard_error.find(part) != std::string::npos);
    };
    fails({}, "check needs one --device");
    fails({"--device", kMemory, "--device", kMemory}, "check needs one --device");
    fails({"--device", "memory"}, "--device memory: ");
    fails({"--device", kMemory, "--destination-device", "file,idstr=a"},
          "--destination-device file,idstr=a: ");
    fails({"--device", kMemory, "--repeat", "0"}, "--repeat");
    fails({"--device", kMemory, "--on", "never=true"}, "names no event");
    const TemporaryFolder folder;
    const CommandEnd twice = run_command(
        {"check", "--device", kMemory, "--json", folder / "one", "--junit", folder / "one"});
    CHECK(twice.exit_code == kUsage);
    CHECK(twice.standard_error.find("each a file of its own") != std::string::npos);
    const CommandEnd end =
        run_command({"check", "--device", kMemory, "--junit", "/nonexistent/junit.xml"});
    CHECK(end.exit_code == kResources);
}

}  // namespace
}  // namespace multifd
