// multifd tune: small matrices over loopback and towards receive --serve, and what they leave.
#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <thread>

#include "tests/end_to_end/migration.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

const Words kSmall = words("tune --devices 2 --state-size 1MiB --stall-timeout 20s");

std::string results_faults(const std::string& folder) {
    ProcessSettings settings;
    settings.arguments = {
        "/usr/bin/python3", MULTIFD_SOURCE_FOLDER "/tests/support/validate_report.py",
        MULTIFD_SOURCE_FOLDER "/config/multifd-tune.schema.json", folder + "/results.json"};
    settings.standard_output = folder + "/faults";
    settings.standard_error = folder + "/faults-errors";
    const ProcessEnd end = run_process(settings, kHangLimit);
    const std::string said = read_text(folder + "/faults") + read_text(folder + "/faults-errors");
    return end.exit_code == 0 ? said : "invalid: " + said;
}

JsonReport results_in(const std::string& folder) {
    CHECK(results_faults(folder).empty());
    auto results = JsonReport::parse(read_text(folder + "/results.json"));
    REQUIRE(results);
    return *results;
}

/// What only the destination can know, under `path`.
void check_destination_told(const JsonReport& results, const std::string& path) {
    for (const char* figure : {"destination-transfer-us", "destination-cpu-us", "destination-cores",
                               "peak-queued-bytes", "queued-bytes-max", "receive-us",
                               "receiver-cpu-us", "reorder-wait-us", "write-us", "validate-us"}) {
        CAPTURE(path, figure);
        CHECK(results.has(path + figure));
    }
    CHECK(results.real(path + "destination-transfer-us") > 0);
    CHECK(results.real(path + "destination-cores") >= 1);
    CHECK(results.real(path + "write-us") > 0);
    CHECK(results.real(path + "queued-bytes-max") > 0);
}

void check_page(const std::string& folder) {
    const std::string page = read_text(folder + "/report.html");
    CHECK(page.starts_with("<!DOCTYPE html>"));
    CHECK(page.ends_with("</html>\n"));
}

}  // namespace

TEST_CASE("a tuning measures every setting and leaves all its files", "[end_to_end]") {
    const TemporaryFolder folder;
    const std::string out = folder / "out";
    const CommandEnd end = run_command(
        kSmall + words("--channels 1,3 --packet-size 64KiB,256KiB --repeat 2 --out") + Words{out});
    INFO(describe("tune", end));
    CHECK(end.exit_code == 0);
    CHECK(end.standard_output.find("bottleneck") != std::string::npos);
    CHECK(std::ranges::count(end.standard_error, '\n') == 9);  // One line for each run.
    CHECK(end.standard_error.find("9 of 9") != std::string::npos);

    const JsonReport results = results_in(out);
    CHECK_FALSE(results.flag("partial"));
    CHECK(results.size("cases") == 4);
    CHECK(results.size("runs") == 9);
    for (std::size_t index = 0; index < 4; ++index) {
        const std::string path = "cases." + std::to_string(index) + ".";
        CHECK(results.number(path + "runs") == 2);
        CHECK(results.number(path + "failures") == 0);
        CHECK(results.real(path + "downtime-us.median") > 0);
        CHECK(results.real(path + "medians.state-bytes") >= 2U << 20U);
        CHECK(results.has(path + "medians.write-us"));
        CHECK(results.real(path + "cpu-s-per-gb.median") > 0);
    }
    CHECK(results.has("verdict.sentence"));
    const std::string csv = read_text(out + "/results.csv");
    CHECK(std::ranges::count(csv, '\n') == 10);
    check_page(out);
    CHECK(read_text(out + "/report.html").find("Timeline") != std::string::npos);
}

TEST_CASE("send and receive take best.toml as it is", "[end_to_end]") {
    const TemporaryFolder folder;
    const std::string out = folder / "out";
    REQUIRE(run_command(kSmall + words("--channels 3 --packet-size 64KiB --repeat 1 --out") +
                        Words{out})
                .exit_code == 0);
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB");
    plan.options = {"--config", out + "/best.toml"};
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    CHECK(outcome.source.number("settings.multifd-channels.value") == 3);
    CHECK(outcome.source.text("settings.packet-size.from") == "config-file");
    CHECK(outcome.source.number("settings.packet-size.value") == 65536);
    CHECK(outcome.destination.report->size("channels") == 3);
}

TEST_CASE("a quick tuning makes fewer runs", "[end_to_end]") {
    const TemporaryFolder folder;
    const std::string out = folder / "out";
    // 512 packets against 2: not all of these can be within 5% of the best.
    const CommandEnd end =
        run_command(kSmall +
                    words("--quick --channels 1,2,3,4 --packet-size 4KiB,1MiB --repeat 3 "
                          "--out") +
                    Words{out});
    INFO(describe("tune", end));
    CHECK(end.exit_code == 0);
    const JsonReport results = results_in(out);
    CHECK(results.size("runs") < 1 + 8 * 3);
    CHECK(results.flag("quick"));
}

TEST_CASE("compression is compared as anything else", "[end_to_end]") {
    const TemporaryFolder folder;
    const std::string out = folder / "out";
    const CommandEnd end =
        run_command(kSmall +
                    words("--compressible 80 --compression none,zstd --channels 2 --packet-size "
                          "64KiB --repeat 1 --out") +
                    Words{out});
    INFO(describe("tune", end));
    CHECK(end.exit_code == 0);
    const JsonReport results = results_in(out);
    CHECK(results.text("cases.1.settings.multifd-compression") == "zstd");
    CHECK(results.real("cases.1.medians.wire-bytes") <
          results.real("cases.0.medians.wire-bytes") / 2);
    CHECK(read_text(out + "/best.toml").find("multifd-compression = ") != std::string::npos);
}

TEST_CASE("a run that fails is a row with its error, not the end", "[end_to_end]") {
    const TemporaryFolder folder;
    const std::string out = folder / "out";
    // Half a minute of reading, where a phase may last a third of a second.
    const CommandEnd end = run_command(
        words("tune --devices 1 --state-size 2MiB --read-rate 64KiB/s --phase-timeout 300ms "
              "--channels 1,2 --packet-size 64KiB --repeat 1 --out") +
        Words{out});
    INFO(describe("tune", end));
    CHECK(end.exit_code != 0);
    CHECK(end.standard_error.find("FAILED") != std::string::npos);
    const JsonReport results = results_in(out);
    CHECK(results.size("runs") == 3);
    // Both ends have the same deadline, and either may speak first.
    const std::string code = results.text("runs.2.error.code");
    CHECK((code == "phase_timeout" || code == "peer_failed"));
    CHECK_FALSE(results.has("best-case"));
    CHECK_FALSE(std::filesystem::exists(out + "/best.toml"));
    CHECK(read_text(out + "/results.csv").find("phase_timeout") != std::string::npos);
    CHECK(read_text(out + "/report.html").find("Runs that failed") != std::string::npos);
    check_page(out);
}

TEST_CASE("an interrupted tuning keeps what it has measured", "[end_to_end]") {
    const TemporaryFolder folder;
    const std::string out = folder / "out";
    RunningCommand command(
        folder.path() / "tune",
        kSmall + words("--channels 1,2 --packet-size 64KiB --repeat 1000 --out") + Words{out});
    const auto deadline = std::chrono::steady_clock::now() + kHangLimit;
    while (command.errors_so_far().find("3 of ") == std::string::npos && command.running() &&
           std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    command.process().signal(SIGINT);
    const CommandEnd end = command.finish();
    INFO(describe("tune", end));
    CHECK(end.exit_code == kCancelled);
    CHECK(end.standard_output.find("partial") != std::string::npos);
    const JsonReport results = results_in(out);
    CHECK(results.flag("partial"));
    CHECK(results.size("runs") >= 3);
    CHECK(results.has("best-case"));
    CHECK(std::filesystem::exists(out + "/best.toml"));
    CHECK(read_text(out + "/report.html").find("ended before") != std::string::npos);
}

TEST_CASE("a tuning towards a destination says what to run there, and uses it", "[end_to_end]") {
    const TemporaryFolder folder;
    const std::string address = "unix:" + (folder / "socket");
    const Words tune = words(
                           "tune --devices 1 --state-size 1MiB --channels 1,2 --packet-size "
                           "64KiB --repeat 1 --to") +
                       Words{address, "--out"};
    const CommandEnd alone = run_command(tune + Words{folder / "alone"});
    INFO(describe("tune", alone));
    CHECK(alone.exit_code == kConnection);
    CHECK(alone.standard_error.find("multifd receive --serve") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(folder / "alone/results.json"));

    // The command that it prints, as a user would run it.
    const std::size_t at = alone.standard_output.find("multifd receive");
    REQUIRE(at != std::string::npos);
    Words receive = words(alone.standard_output.substr(at));
    receive.erase(receive.begin());
    RunningCommand destination(folder.path() / "destination",
                               receive + Words{"--address-file", folder / "address"});
    REQUIRE_FALSE(wait_for_address(folder / "address", destination).empty());
    const CommandEnd end = run_command(tune + Words{folder / "out"});
    INFO(describe("tune", end));
    CHECK(end.exit_code == 0);
    const JsonReport results = results_in(folder / "out");
    CHECK(results.text("circumstances.to") == address);
    CHECK(results.has("cases.1.downtime-us.median"));
    check_destination_told(results, "runs.1.figures.");
    check_destination_told(results, "cases.1.medians.");
    // By this socket they share the processors.
    CHECK(results.has("verdict.shares.all cores of this host"));
    CHECK_FALSE(results.has("verdict.shares.all cores of the destination's host"));
    const std::string csv = read_text(folder / "out/results.csv");
    const std::string heading = csv.substr(0, csv.find('\n'));
    CHECK(heading.find("destination-cpu-us,destination-transfer-us,destination-cores") !=
          std::string::npos);

    const CommandEnd unfit =
        run_command(words("tune --devices 3 --state-size 1MiB --repeat 1 --to") +
                    Words{address, "--out", folder / "unfit"});
    INFO(describe("tune", unfit));
    CHECK(unfit.exit_code == kDisagreement);
    CHECK(unfit.standard_error.find("does not fit") != std::string::npos);
    CHECK(unfit.standard_error.find("idstr=tune2") != std::string::npos);
    const CommandEnd other_size =
        run_command(words("tune --devices 1 --state-size 2MiB --repeat 1 --to") +
                    Words{address, "--out", folder / "other-size"});
    INFO(describe("tune", other_size));
    CHECK(other_size.exit_code == kPeerFailed);
    CHECK(other_size.standard_error.find("size=2MiB") != std::string::npos);
    destination.process().signal(SIGTERM);
    CHECK(destination.finish().exit_code == 0);
}

TEST_CASE("what makes no tuning is a usage error", "[end_to_end]") {
    const TemporaryFolder folder;
    write_text(folder / "results.json", "{}");
    struct Case {
        Words arguments;
        const char* mentions;
    };
    const std::vector<Case> cases{
        {words("tune"), "--out"},
        {words("tune --channels 1,1 --out /nonexistent/x"), "twice"},
        {words("tune --packet-size 1 --out /nonexistent/x"), "--packet-size"},
        {words("tune --devices 65 --out /nonexistent/x"), "1 to 64"},
        {words("tune --repeat 0 --out /nonexistent/x"), "1 to 1000"},
        {words("tune --memory lent --read-rate 1MiB --out /nonexistent/x"), "held"},
        {words("tune --device memory,idstr=a --out /nonexistent/x"), "--device"},
        {Words{"tune", "--out", folder.path()}, "--force"},
    };
    for (const Case& wrong : cases) {
        const CommandEnd end = run_command(wrong.arguments);
        INFO(describe("tune", end));
        CHECK(end.exit_code == kUsage);
        CHECK(end.standard_error.find(wrong.mentions) != std::string::npos);
        CHECK(std::ranges::count(end.standard_error, '\n') == 1);
    }
}

}  // namespace multifd
