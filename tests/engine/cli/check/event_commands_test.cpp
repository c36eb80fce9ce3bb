#include "engine/cli/check/event_commands.hpp"

#include <signal.h>

#include <catch2/catch.hpp>
#include <sstream>
#include <thread>

#include "tests/support/temporary_folder.hpp"

namespace multifd::checking {
namespace {

constexpr std::chrono::seconds kLimit{60};

/// Whether the process has ended by a deadline, reaped by whoever inherited it or not.
bool is_gone(pid_t process) {
    const std::string stat = "/proc/" + std::to_string(process) + "/stat";
    const auto deadline = std::chrono::steady_clock::now() + kLimit;
    while (std::chrono::steady_clock::now() < deadline) {
        const std::string text = read_text(stat);
        if (text.empty() || text.find(") Z ") != std::string::npos) return true;
        std::this_thread::yield();
    }
    return false;
}

TEST_CASE("the commands of an event run in order, and know event and item", "[check]") {
    const TemporaryFolder folder;
    const std::string file = folder / "said";
    const EventCommands commands({{"source-running", "echo first $MULTIFD_EVENT >> " + file},
                                  {"failed", "echo never >> " + file},
                                  {"source-running", "echo second $MULTIFD_ITEM >> " + file}},
                                 kLimit, {});
    CHECK(commands.run(CheckEvent::source_running, "round-trip").ok());
    CHECK(read_text(file) == "first source-running\nsecond round-trip\n");
    CHECK(commands.run(CheckEvent::source_resumed, "round-trip").ok());
    CHECK(read_text(file) == "first source-running\nsecond round-trip\n");
}

TEST_CASE("a command that fails, fails the event and keeps the next from running", "[check]") {
    const TemporaryFolder folder;
    const std::string file = folder / "said";
    const EventCommands commands({{"failed", "exit 3"}, {"failed", "echo never >> " + file}},
                                 kLimit, {});
    const CallResult ran = commands.run(CheckEvent::failed, "sizes");
    CHECK_FALSE(ran.ok());
    CHECK(ran.detail == "command \"exit 3\" ended with 3");
    CHECK(read_text(file).empty());
}

TEST_CASE("a stop ends a command that runs", "[check]") {
    const TemporaryFolder folder;
    const std::string file = folder / "began";
    std::stop_source stop;
    const EventCommands commands({{"failed", "echo > " + file + "; exec sleep 1000"}}, kLimit,
                                 stop.get_token());
    std::thread ends([&] {
        while (read_text(file).empty()) std::this_thread::yield();
        stop.request_stop();
    });
    const CallResult ran = commands.run(CheckEvent::failed, "sizes");
    ends.join();
    CHECK_THAT(ran.detail, Catch::Contains("was stopped, and ended with 143"));
}

TEST_CASE("a command that does not end in time is killed, with what it has started", "[check]") {
    const TemporaryFolder folder;
    const std::string file = folder / "pids";
    // The shell and what it has started hear no SIGTERM.
    const std::string command = "trap '' TERM; sleep 1000 & echo $$ $! > " + file + "; wait";
    const EventCommands commands({{"failed", command}, {"failed", "echo never > " + file}},
                                 std::chrono::milliseconds(500), {});
    const CallResult ran = commands.run(CheckEvent::failed, "sizes");
    CHECK(ran.error == std::errc::timed_out);
    CHECK(ran.detail == "command \"" + command +
                            "\" has not ended within 500ms (--stall-timeout), and was killed");
    std::istringstream pids(read_text(file));
    pid_t shell = 0;
    pid_t started = 0;
    REQUIRE(pids >> shell >> started);
    CHECK(::kill(shell, 0) == -1);
    CHECK(is_gone(started));
}

}  // namespace
}  // namespace multifd::checking
