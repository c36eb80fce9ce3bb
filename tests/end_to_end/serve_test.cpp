// receive --serve: one migration after the other, until it is told to end.
#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>

#include "tests/end_to_end/moments.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

constexpr const char* kServedDevice = "memory,idstr=gpu0,size=1MiB,seed=5,held=on";

/// A destination that serves, and the sources that come to it.
class Serving {
  public:
    explicit Serving(const Words& options = {})
        : command_(folder_.path() / "destination",
                   words("receive --serve --listen tcp:127.0.0.1:0 --on-unknown-owner exit") +
                       Words{"--address-file", folder_ / "address", "--device", kServedDevice} +
                       options),
          address_(wait_for_address(folder_ / "address", command_)) {}

    CommandEnd send(const std::string& device = kServedDevice) {
        return run_command_with_report(
            Words{"send", "--to", address_, "--device", device, "--packet-size", "64KiB"});
    }
    CommandEnd end_by(int signal) {
        command_.process().signal(signal);
        return command_.finish();
    }
    [[nodiscard]] std::string file(std::string_view name) const { return folder_ / name; }
    [[nodiscard]] bool running() { return command_.running(); }

  private:
    TemporaryFolder folder_;
    RunningCommand command_;
    std::string address_;
};

std::optional<JsonReport> report_at(const std::string& path) {
    CHECK(invalid_reports({path}).empty());
    return JsonReport::parse(read_text(path));
}

}  // namespace

TEST_CASE("a serving destination takes one migration after the other", "[end_to_end]") {
    const TemporaryFolder reports;
    Serving serving({"--json", reports / "dst.json", "--samples", reports / "samples.json"});
    CHECK(serving.send().exit_code == 0);
    // Its own failure in the middle must not end it.
    CHECK(serving.send("memory,idstr=gpu0,size=1MiB,seed=5,fail=read:256KiB").exit_code ==
          kDeviceFailed);
    CHECK(serving.send("memory,idstr=other,size=1MiB").exit_code != 0);
    CHECK(serving.send().exit_code == 0);
    REQUIRE(serving.running());
    const CommandEnd end = serving.end_by(SIGTERM);
    INFO(describe("receive --serve", end));
    CHECK(end.exit_code == 0);

    const auto first = report_at(reports / "dst-1.json");
    const auto failed = report_at(reports / "dst-2.json");
    const auto last = report_at(reports / "dst-4.json");
    REQUIRE((first && failed && last));
    CHECK(first->text("status") == "completed");
    CHECK(failed->text("status") == "failed");
    CHECK(last->text("devices.0.final-state") == "running");
    CHECK(last->number("devices.0.bytes") == first->number("devices.0.bytes"));
    const auto samples = JsonReport::parse(read_text(reports / "samples-4.json"));
    REQUIRE(samples);
    REQUIRE(samples->size("samples") > 0);
    const std::string at_the_end =
        "samples." + std::to_string(samples->size("samples") - 1) + ".devices.0";
    CHECK(samples->number(at_the_end) == last->number("devices.0.bytes"));
    CHECK_FALSE(std::filesystem::exists(reports / "dst.json"));
    CHECK_FALSE(std::filesystem::exists(reports / "dst-5.json"));
}

TEST_CASE("on standard output each served migration is one line", "[end_to_end]") {
    Serving serving({"--json", "-"});
    CHECK(serving.send().exit_code == 0);
    CHECK(serving.send().exit_code == 0);
    const CommandEnd end = serving.end_by(SIGINT);
    INFO(describe("receive --serve", end));
    CHECK(end.exit_code == 0);
    REQUIRE(std::ranges::count(end.standard_output, '\n') == 2);
    const std::size_t middle = end.standard_output.find('\n') + 1;
    for (const std::string& line :
         {end.standard_output.substr(0, middle), end.standard_output.substr(middle)}) {
        const auto report = JsonReport::parse(line);
        REQUIRE(report);
        CHECK(report->text("status") == "completed");
    }
}

TEST_CASE("a signal cancels the migration that runs, and then serves no other", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=2MiB,seed=5");
    plan.source_options = words("--packet-size 64KiB --multifd-channels 3");
    plan.destination_options = words("--serve");
    MomentousMigration momentous(plan, "packet 20", [](MomentousMigration& running) {
        running.migration().destination().process().signal(SIGINT);
    });
    momentous.start();
    Migration& migration = momentous.migration();
    const CommandEnd& destination = migration.finish_destination();
    const CommandEnd& source = migration.finish_source();
    INFO(describe("destination", destination) + describe("source", source));
    CHECK(destination.exit_code == source.exit_code);
    CHECK((source.exit_code == kCancelled || source.exit_code == 0));
    const auto report = report_at(migration.folder("destination") + "/report-1.json");
    REQUIRE(report);
    CHECK(report->number("exit-code") == static_cast<std::uint64_t>(destination.exit_code));
}

TEST_CASE("a serving destination in doubt serves no other: its state may be the only one",
          "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB,seed=5");
    plan.destination_options = words("--serve");
    MomentousMigration momentous(plan, "back loaded", [](MomentousMigration& running) {
        running.migration().source().process().kill();
    });
    momentous.start();
    Migration& migration = momentous.migration();
    const CommandEnd& destination = migration.finish_destination();
    INFO(describe("destination", destination));
    CHECK(destination.exit_code == kUnknownOwner);
    const auto report = report_at(migration.folder("destination") + "/report-1.json");
    REQUIRE(report);
    CHECK(report->text("status") == "unknown-owner");
}

TEST_CASE("a destination that cannot even wait does not serve on and on", "[end_to_end]") {
    const CommandEnd end =
        run_command(words("receive --serve --listen tcp:127.0.0.1:0 --device "
                          "memory,idstr=gpu0 --state-dir /dev/null/nowhere"));
    INFO(describe("receive --serve", end));
    CHECK(end.exit_code == kResources);
}

}  // namespace multifd
