#include "engine/cli/check/event_commands.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include "tests/support/temporary_folder.hpp"

namespace multifd::checking {
namespace {

TEST_CASE("the commands of an event run in order, and know event and item", "[check]") {
    const TemporaryFolder folder;
    const std::string file = folder / "said";
    const EventCommands commands({{"source-running", "echo first $MULTIFD_EVENT >> " + file},
                                  {"failed", "echo never >> " + file},
                                  {"source-running", "echo second $MULTIFD_ITEM >> " + file}},
                                 {});
    CHECK(commands.run(CheckEvent::source_running, "round-trip").ok());
    CHECK(read_text(file) == "first source-running\nsecond round-trip\n");
    CHECK(commands.run(CheckEvent::source_resumed, "round-trip").ok());
    CHECK(read_text(file) == "first source-running\nsecond round-trip\n");
}

TEST_CASE("a command that fails, fails the event and keeps the next from running", "[check]") {
    const TemporaryFolder folder;
    const std::string file = folder / "said";
    const EventCommands commands({{"failed", "exit 3"}, {"failed", "echo never >> " + file}}, {});
    const CallResult ran = commands.run(CheckEvent::failed, "sizes");
    CHECK_FALSE(ran.ok());
    CHECK(ran.detail == "command \"exit 3\" ended with 3");
    CHECK(read_text(file).empty());
}

TEST_CASE("a stop ends a command that runs", "[check]") {
    const TemporaryFolder folder;
    const std::string file = folder / "began";
    std::stop_source stop;
    const EventCommands commands({{"failed", "echo > " + file + "; exec sleep 1000"}},
                                 stop.get_token());
    std::thread ends([&] {
        while (read_text(file).empty()) std::this_thread::yield();
        stop.request_stop();
    });
    const CallResult ran = commands.run(CheckEvent::failed, "sizes");
    ends.join();
    CHECK_THAT(ran.detail, Catch::Contains("ended with 143"));
}

}  // namespace
}  // namespace multifd::checking
