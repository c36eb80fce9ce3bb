// The command's manners: usage errors, help, one report however a run ends.
#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>

#include "tests/end_to_end/migration.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

/// One line of complaint on standard error, nothing on standard output.
void check_usage_error(const CommandEnd& end, const std::string& mentions) {
    INFO(describe("multifd", end));
    CHECK(end.exit_code == kUsage);
    CHECK(end.standard_output.empty());
    CHECK(std::ranges::count(end.standard_error, '\n') == 1);
    CHECK(end.standard_error.find(mentions) != std::string::npos);
}

}  // namespace

TEST_CASE("a usage error is one line that names the nearest thing", "[end_to_end]") {
    struct Case {
        const char* arguments;
        const char* mentions;
    };
    const auto wrong = GENERATE(values<Case>({
        {"", "receive"},
        {"sned --to tcp:127.0.0.1:1", "send"},
        {"receive --lisen tcp:127.0.0.1:0", "--listen"},
        {"receive --device memory,idstr=a", "--listen"},
        {"send --device memory,idstr=a", "--to"},
        {"send --to tcp:127.0.0.1:1 --multifd-chanels 4", "--multifd-channels"},
        {"send --to tcp:127.0.0.1:1 --device memory,idstr=a,sise=1", "size"},
        {"send --to tcp:127.0.0.1:1 --device memry,idstr=a", "memory"},
        {"send --to tcp:127.0.0.1:1 --device memory,size=1", "idstr"},
        {"send --to tcp:127.0.0.1:1 --device memory,idstr=a,size=3TiB", "1TiB"},
        {"send --to tcp:127.0.0.1:1 --device memory,idstr=a,size=12XB", "size"},
        {"send --to tcp:127.0.0.1:1 --device memory,idstr=a --device memory,idstr=a", "a"},
        {"send --to tcp:127.0.0.1:1 --device memory,idstr=a --packet-size 5000", "packet"},
        {"send --to tcp:127.0.0.1:1 --device memory,idstr=a --multifd-channels 256", "255"},
        {"send --to nowhere --device memory,idstr=a", "tcp:HOST:PORT"},
        {"send --to tcp:127.0.0.1:1 --device memory,idstr=a --stall-timeout 5h", "stall-timeout"},
        {"send --to tcp:127.0.0.1:1 --device memory,idstr=a,multifd=yes", "multifd"},
        {"send --to tcp:127.0.0.1:1 --config /nonexistent.toml", "/nonexistent.toml"},
    }));
    CAPTURE(wrong.arguments);
    check_usage_error(run_command(words(wrong.arguments)), wrong.mentions);
}

TEST_CASE("a usage error still leaves one valid report", "[end_to_end]") {
    const CommandEnd end =
        run_command_with_report(words("send --to tcp:127.0.0.1:1 --device memory,idstr=a,sise=1"));
    INFO(describe("send", end));
    CHECK(end.exit_code == kUsage);
    CHECK(end.text("error.code") == "usage_error");
    CHECK(end.text("role") == "source");
    CHECK(end.number("exit-code") == kUsage);
}

TEST_CASE("help and version go to standard output", "[end_to_end]") {
    for (const auto* arguments : {"--help", "help", "send --help", "receive --help", "help send",
                                  "status --help", "inspect --help", "demo --help"}) {
        CAPTURE(arguments);
        const CommandEnd end = run_command(words(arguments));
        CHECK(end.exit_code == 0);
        CHECK(end.standard_output.find("multifd") != std::string::npos);
        CHECK(end.standard_error.empty());
    }
    const CommandEnd help = run_command(words("--help"));
    CHECK(help.standard_output.find("exit codes") != std::string::npos);
    const CommandEnd version = run_command(words("--version"));
    CHECK(version.exit_code == 0);
    CHECK(std::ranges::count(version.standard_output, '\n') == 1);
}

TEST_CASE("options from a file are overruled by the command line", "[end_to_end]") {
    const TemporaryFolder folder;
    write_text(folder / "source.toml",
               "multifd-channels = 5\npacket-size = \"64KiB\"\n\n"
               "[[device]]\nkind = \"memory\"\nidstr = \"gpu0\"\nsize = \"1MiB\"\n");
    Plan plan;
    plan.destination_devices = {"memory,idstr=gpu0,size=1MiB"};
    plan.source_options = Words{"--config", folder / "source.toml", "--multifd-channels", "3"};
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    CHECK(outcome.source.report->size("channels") == 3);
    CHECK(outcome.source.number("settings.packet-size.value") == 65536);
    CHECK(outcome.source.text("settings.packet-size.from") !=
          outcome.source.text("settings.multifd-channels.from"));
}

TEST_CASE("an unknown key in a file names the nearest", "[end_to_end]") {
    const TemporaryFolder folder;
    write_text(folder / "wrong.toml", "multifd-chanels = 5\n");
    check_usage_error(
        run_command({"send", "--to", "tcp:127.0.0.1:1", "--config", folder / "wrong.toml"}),
        "multifd-channels");
}

TEST_CASE("a comma in a value is doubled", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=a,,b,size=1MiB");
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    CHECK(outcome.source.text("devices.0.idstr") == "a,b");
}

TEST_CASE("with --json - standard output is exactly one document", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB");
    plan.options = words("--json -");
    Migration migration(plan);
    migration.start();
    for (const auto* end : {&migration.finish_source(), &migration.finish_destination()}) {
        INFO(describe("multifd", *end));
        CHECK(end->exit_code == 0);
        const auto report = JsonReport::parse(end->standard_output);
        REQUIRE(report.has_value());
        CHECK(report->text("status") == "completed");
    }
}

TEST_CASE("SIGTERM before any connection leaves a valid report", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB");
    Migration migration(plan);
    migration.destination().process().signal(SIGTERM);
    const CommandEnd end = migration.finish_destination();
    INFO(describe("receive", end));
    check_failed(end, "cancelled", 9);
    CHECK(invalid_reports({migration.folder("destination") + "/report.json"}).empty());
}

TEST_CASE("the summary's last line says who owns the devices, and what to do", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB");
    const Outcome good = migrate(plan);
    check_completed(good);
    CHECK(good.source.standard_output.find("owner: destination") != std::string::npos);
    plan.source_options = words("--multifd-channels 2");
    plan.destination_options = words("--multifd-channels 3");
    const Outcome bad = migrate(plan);
    INFO(describe(bad));
    CHECK(bad.source.standard_output.find("owner: source") != std::string::npos);
    CHECK(bad.source.standard_output.find("a retry is safe") != std::string::npos);
    CHECK(bad.source.standard_output.find("next: ") != std::string::npos);
}

TEST_CASE("with -q a good run says nothing at all", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB");
    plan.options = words("-q");
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    for (const auto* end : {&outcome.source, &outcome.destination}) {
        CHECK(end->standard_output.empty());
        CHECK(end->standard_error.empty());
    }
}

TEST_CASE("a failure's code is said once on each stream", "[end_to_end]") {
    const TemporaryFolder folder;
    const Words send{"send",
                     "--to",
                     "unix:" + (folder / "nobody"),
                     "--device",
                     "memory,idstr=gpu0,size=1MiB",
                     "--state-dir",
                     folder / "state"};
    struct Case {
        const char* options;
        std::size_t summarized;  ///< On standard output.
    };
    const auto one = GENERATE(values<Case>({{"", 1}, {"-q", 0}, {"-q --log-level none", 0}}));
    CAPTURE(one.options);
    const CommandEnd end = run_command(send + words(one.options));
    INFO(describe("send", end));
    const auto said = [](const std::string& text) {
        std::size_t count = 0;
        const std::string code = "connect_failed";
        for (auto at = text.find(code); at != std::string::npos; at = text.find(code, at + 1)) {
            ++count;
        }
        return count;
    };
    CHECK(said(end.standard_error) == 1);
    CHECK(said(end.standard_output) == one.summarized);
}

TEST_CASE("log lines are sparse, and escape nothing to a file", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=64MiB");
    plan.source_options = words("--packet-size 4KiB");
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    for (const auto* end : {&outcome.source, &outcome.destination}) {
        CHECK(std::ranges::count(end->standard_error, '\n') < 40);
        CHECK(end->standard_error.find('\x1b') == std::string::npos);
        CHECK(end->standard_error.find('\r') == std::string::npos);
    }
}

TEST_CASE("status tells of a completed migration, and of one session alone", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB");
    Migration migration(plan);
    migration.start();
    const Outcome outcome = migration.finish();
    check_completed(outcome);
    const std::string session = outcome.source.text("session");
    for (const auto& folder :
         {migration.source_state_folder(), migration.destination_state_folder()}) {
        const CommandEnd all = run_command({"status", "--state-dir", folder});
        INFO(describe("status", all));
        CHECK(all.exit_code == 0);
        CHECK(all.standard_output.find(session) != std::string::npos);
        CHECK(all.standard_output.find("owner destination") != std::string::npos);
        const CommandEnd one = run_command({"status", session, "--state-dir", folder, "--json"});
        const auto listing = JsonReport::parse(one.standard_output);
        REQUIRE(listing.has_value());
        CHECK(listing->text("sessions.0.session") == session);
        CHECK(listing->text("sessions.0.owner") == "destination");
        const CommandEnd none = run_command({"status", "0123", "--state-dir", folder});
        CHECK(none.exit_code != 0);
    }
}

TEST_CASE("the demonstration completes", "[end_to_end]") {
    const CommandEnd end = run_command({"demo"});
    INFO(describe("demo", end));
    CHECK(end.exit_code == 0);
    CHECK_FALSE(end.standard_output.empty());
}

}  // namespace multifd
