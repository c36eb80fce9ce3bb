// Reaching the other end, or not: addresses, strangers, silence.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <csignal>

#include "tests/end_to_end/migration.hpp"
#include "tests/support/exit_codes.hpp"
#include "tests/support/loopback.hpp"
#include "tests/support/stream_peers.hpp"

namespace multifd {
namespace {

CommandEnd send_to(const std::string& address, const std::string& options = {}) {
    const TemporaryFolder states;
    return run_command_with_report(Words{"send", "--to", address, "--device",
                                         "memory,idstr=gpu0,size=1MiB", "--state-dir",
                                         states / "state"} +
                                   words(options));
}

/// Nothing was stopped, whatever the other side was.
void check_untouched(const CommandEnd& end) {
    CHECK(end.text("owner") == "source");
    REQUIRE(end.report.has_value());
    CHECK(end.report->flag("retry-safe"));
    const std::string state = end.text("devices.0.final-state");
    CHECK((state.empty() || state == "running"));
}

}  // namespace

TEST_CASE("an address that is taken is said to be", "[end_to_end]") {
    const Socket taken = listen_on_loopback();
    const CommandEnd end = run_command_with_report(
        {"receive", "--listen", address_of(taken), "--device", "memory,idstr=gpu0,size=1MiB"});
    INFO(describe("receive", end));
    check_failed(end, "listen_failed", kConnection);
    CHECK(end.text("error.message").find(address_of(taken)) != std::string::npos);
}

TEST_CASE("the congestion control is what was asked for, and each end reports its own",
          "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB");
    plan.source_options = words("--congestion-control reno");
    const bool both = GENERATE(false, true);
    if (both) plan.destination_options = plan.source_options;
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    CHECK(outcome.source.text("congestion-control") == "reno");
    if (both) CHECK(outcome.destination.text("congestion-control") == "reno");
    CHECK_FALSE(outcome.destination.text("congestion-control").empty());
}

TEST_CASE("a congestion control that is not to be had ends a command before it begins",
          "[end_to_end]") {
    const auto* const end_words =
        GENERATE("send --to tcp:127.0.0.1:1", "receive --listen tcp:127.0.0.1:0");
    const CommandEnd end = run_command_with_report(
        words(end_words) + words("--device memory,idstr=gpu0,size=1MiB --congestion-control none"));
    INFO(describe("end", end));
    check_failed(end, "usage_error", kUsage);
    CHECK_THAT(end.text("error.message"), Catch::Contains("\"none\""));
}

TEST_CASE("a destination that is not there is said to be", "[end_to_end]") {
    std::string address;
    {
        const Socket gone = listen_on_loopback();
        address = address_of(gone);
    }
    const CommandEnd end = send_to(address, "--connect-timeout 2s");
    INFO(describe("send", end));
    check_failed(end, "connect_failed", kConnection);
    check_untouched(end);
    CHECK(send_to("unix:/nonexistent/socket").exit_code == kConnection);
}

TEST_CASE("a server that is no multifd is told from a slow one", "[end_to_end]") {
    struct Case {
        const char* name;
        RecordingServer::Manner manner;
    };
    const auto server_is = GENERATE(values<Case>({{"QEMU", RecordingServer::Manner::pong_only},
                                                  {"silent", RecordingServer::Manner::silent},
                                                  {"foreign", RecordingServer::Manner::garbage}}));
    CAPTURE(server_is.name);
    const RecordingServer server(server_is.manner);
    const auto start = std::chrono::steady_clock::now();
    const CommandEnd end = send_to(server.address(), "--connect-timeout 2s --stall-timeout 2s");
    INFO(describe("send", end));
    switch (server_is.manner) {
        case RecordingServer::Manner::silent:
            CHECK((end.exit_code == kConnection || end.exit_code == kTimeout));
            break;
        case RecordingServer::Manner::garbage:
            CHECK(end.exit_code == kProtocol);
            break;
        default:
            check_failed(end, "hello_missing", kDisagreement);
            // No deadline had to pass: the PONG alone tells.
            CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2) * kSlowdown);
    }
    check_untouched(end);
}

TEST_CASE("foreign bytes at the destination's door do not end its wait", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB");
    Migration migration(plan);
    const std::string greeting = "GET / HTTP/1.1\r\n\r\n";
    const Socket browser = connect_on_loopback(migration.address());
    CHECK(browser.send(std::as_bytes(std::span(greeting))));
    const Socket silent = connect_on_loopback(migration.address());
    // The browser is sent away while the silent one may still say something.
    std::byte answer{};
    CHECK(browser.receive(std::span(&answer, 1)) == 0);
    migration.start();
    check_completed(migration.finish());
}

TEST_CASE("a crowd that says nothing neither keeps the real source out nor fills the log",
          "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB");
    Migration migration(plan);
    // More than may wait to be classified, and none of them gives up.
    std::vector<Socket> crowd;
    for (int count = 0; count < 700; ++count) {
        crowd.push_back(connect_on_loopback(migration.address()));
    }
    migration.start();
    const Outcome outcome = migration.finish();
    check_completed(outcome);
    const std::string& said = outcome.destination.standard_error;
    CHECK(said.find("connection_limit") != std::string::npos);
    CHECK(std::ranges::count(said, '\n') < 40);
}

TEST_CASE("a main channel of nonsense or of silence leaves the destination to the real source",
          "[end_to_end]") {
    struct Case {
        const char* name;
        std::vector<unsigned> bytes;
    };
    const auto sent = GENERATE(values<Case>({
        {"a foreign version", {0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 2, 7, 0, 0, 0, 1, 'x'}},
        {"an unknown record", {0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3, 0x55, 0, 0, 0, 0, 0}},
        {"a header and then nothing", {0x51, 0x45, 0x56, 0x4d, 0, 0, 0, 3}},
    }));
    CAPTURE(sent.name);
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB");
    plan.options = words("--connect-timeout 4s");
    Migration migration(plan);
    std::vector<std::byte> bytes;
    for (const unsigned value : sent.bytes) bytes.push_back(static_cast<std::byte>(value));
    const Socket stranger = connect_on_loopback(migration.address());
    CHECK(stranger.send(bytes));
    migration.start();
    const Outcome outcome = migration.finish();
    INFO(describe(outcome));
    check_completed(outcome);
}

TEST_CASE("listening beyond loopback warns", "[end_to_end]") {
    const TemporaryFolder folder;
    RunningCommand command(
        folder / "run",
        {"receive", "--listen", "tcp:0.0.0.0:0", "--address-file", folder / "address", "--device",
         "memory,idstr=gpu0,size=1MiB", "--state-dir", folder / "state"});
    CHECK_FALSE(wait_for_address(folder / "address", command).empty());
    CHECK(command.errors_so_far().find("neither encrypted nor authenticated") != std::string::npos);
    command.process().signal(SIGTERM);
    CHECK(command.finish().exit_code == kCancelled);
}

}  // namespace multifd
