// The report of a run: its JSON by the schema, its summary, its numbers for people.
#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <set>

#include "engine/cli/migration_run.hpp"
#include "engine/cli/readable.hpp"
#include "engine/cli/report_json.hpp"
#include "engine/cli/summary.hpp"
#include "tests/support/process.hpp"
#include "tests/support/report_reader.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

constexpr const char* kSession = "0123456789abcdef0123456789abcdef";

RunOutcome completed() {
    RunOutcome outcome;
    outcome.role = Role::source;
    outcome.began = true;
    Report& report = outcome.report;
    report.role = Role::source;
    report.status = Status::completed;
    report.owner = Owner::destination;
    report.session = kSession;
    report.peer = "tcp:127.0.0.1:4444";
    report.transferred = 3U << 20U;
    report.mbps = 941.0004;
    report.peak_queued_bytes = 5;
    report.channels = {{0, 2, 1000, 70, 4000, 77}, {1, 1, 500, 30}};
    report.devices = {
        {"gpu0", 0, true, 3, 2U << 20U, 1U << 20U, 0, "00000000000000ff", "stop", 1400, 2},
        {"nic0", 2, false, 0, 7, 0, 0, "", "stop"}};
    report.total_time_ms = 1234;
    report.setup_time_ms = 3;
    report.downtime_ms = 121;
    report.downtime_parts = {{"stop", 1200}, {"read", 80'000}, {"idle", 0}};
    report.transfer = TransferCost{100'000, 20'000, 60'000};
    report.destination = DestinationTransfer{.transfer = {90'000, 10'000, 30'000},
                                             .processors = 8,
                                             .queued_bytes_max = 1U << 20U,
                                             .peak_queued_bytes = 4096,
                                             .channel_cpu_us = 9'000,
                                             .downtime_parts = {{"receive", 70'000},
                                                                {"reorder-wait", 1},
                                                                {"write", 60'000},
                                                                {"config", 2},
                                                                {"validate", 3}}};
    report.predicted_downtime = {.total_us = 99'000,
                                 .parts = {{"link", 98'000}, {"records", 1'000}},
                                 .bytes = 5U << 20U,
                                 .bytes_per_second = 50'000'000,
                                 .rate_from = "pre-copy",
                                 .complete = true,
                                 .rate_held = true};
    report.next_step = "nothing is left to do";
    outcome.settings = {
        {"packet-size", std::uint64_t{4096}, SettingOrigin::command_line},
        {"verify", false, SettingOrigin::agreed},
        {"device", std::vector<std::string>{"memory,idstr=gpu0"}, SettingOrigin::config_file}};
    return outcome;
}

RunOutcome failed() {
    RunOutcome outcome = completed();
    outcome.exit_code = 6;
    outcome.report.status = Status::failed;
    outcome.report.owner = Owner::source;
    ErrorReport error;
    error.code = "idx_gap";
    error.phase = "device";
    error.device = "gpu0";
    error.idx = 17;
    error.channel = 3;
    error.peer = "tcp:127.0.0.1:4444";
    error.message = "device gpu0: idx 17: channel 3: it is missing";
    error.exit_code = 6;
    outcome.report.error = error;
    outcome.report.next_step = "try again";
    return outcome;
}

/// What the schema has against it; empty when nothing.
std::string faults(const std::string& document) {
    const TemporaryFolder folder;
    write_text(folder / "report.json", document);
    ProcessSettings settings;
    settings.arguments = {
        "/usr/bin/python3", MULTIFD_SOURCE_FOLDER "/tests/support/validate_report.py",
        MULTIFD_SOURCE_FOLDER "/config/multifd-report.schema.json", folder / "report.json"};
    settings.standard_output = folder / "output";
    settings.standard_error = folder / "errors";
    const ProcessEnd end = run_process(settings, std::chrono::seconds(60));
    const std::string said = read_text(folder / "output") + read_text(folder / "errors");
    return end.exit_code == 0 ? said : "ended with " + std::to_string(end.exit_code) + ": " + said;
}

JsonReport parsed(const RunOutcome& outcome) {
    const auto report = JsonReport::parse(report_json(outcome));
    REQUIRE(report.has_value());
    return *report;
}

}  // namespace

TEST_CASE("the report of a completed run is by the schema and holds its numbers", "[cli]") {
    const RunOutcome outcome = completed();
    CHECK(faults(report_json(outcome)) == "");
    const JsonReport report = parsed(outcome);
    CHECK(report.text("status") == "completed");
    CHECK(report.text("session") == kSession);
    CHECK(report.number("total-time") == 1234);
    CHECK(report.number("downtime") == 121);
    CHECK_FALSE(report.has("switchover-span"));
    CHECK(report.number("downtime-parts.read") == 80'000);
    CHECK(report.number("transfer.us") == 100'000);
    CHECK(report.number("transfer.user-us") == 20'000);
    CHECK(report.number("destination.transfer.us") == 90'000);
    CHECK(report.number("destination.processors") == 8);
    CHECK(report.number("destination.downtime-parts.write") == 60'000);
    CHECK(report.number("transfer.system-us") == 60'000);
    CHECK(report.number("predicted-downtime.total") == 99'000);
    CHECK(report.number("predicted-downtime.parts.link") == 98'000);
    CHECK(report.number("predicted-downtime.rate") == 50'000'000);
    CHECK(report.text("predicted-downtime.rate-from") == "pre-copy");
    CHECK(report.flag("predicted-downtime.complete"));
    CHECK(report.flag("predicted-downtime.rate-held"));
    CHECK(report.number("transferred") == 3U << 20U);
    CHECK(report.real("mbps") == Approx(941.0));
    CHECK(report.number("settings.packet-size.value") == 4096);
    CHECK(report.text("settings.packet-size.from") == "command-line");
    CHECK(report.text("settings.verify.from") == "agreed");
    CHECK(report.text("settings.device.value.0") == "memory,idstr=gpu0");
    CHECK(report.number("channels.1.bytes") == 500);
    CHECK(report.number("channels.0.raw-bytes") == 4000);
    CHECK(report.number("channels.0.compression-time-us") == 77);
    CHECK(report.number("devices.0.wire-bytes") == 1400);
    CHECK(report.number("devices.0.encoded-packets") == 2);
    CHECK(report.number("devices.1.instance-id") == 2);
    CHECK(report.number("devices.0.pre-copy-bytes") == 1U << 20U);
    CHECK(report.text("devices.0.transfer-digest") == "00000000000000ff");
    CHECK_FALSE(report.has("devices.1.transfer-digest"));
    CHECK_FALSE(report.has("error"));
}

TEST_CASE("the report of a failed run names code, place and peer", "[cli]") {
    const RunOutcome outcome = failed();
    CHECK(faults(report_json(outcome)) == "");
    const JsonReport report = parsed(outcome);
    CHECK(report.text("error.code") == "idx_gap");
    CHECK(report.text("error.device") == "gpu0");
    CHECK(report.number("error.idx") == 17);
    CHECK(report.number("error.channel") == 3);
    CHECK(report.number("exit-code") == 6);
    CHECK(report.flag("retry-safe"));
}

TEST_CASE("a run that never began has every key, and null for what nobody knows", "[cli]") {
    ErrorReport error;
    error.code = "usage_error";
    error.message = "no";
    error.exit_code = 2;
    for (const auto role : {std::optional<Role>(), std::optional(Role::destination)}) {
        const RunOutcome outcome = ended_early(role, Status::failed, error);
        CHECK(faults(report_json(outcome)) == "");
        const JsonReport report = parsed(outcome);
        CHECK(report.size("") == parsed(completed()).size(""));
        CHECK_FALSE(report.has("total-time"));
        CHECK_FALSE(report.has("transferred"));
        CHECK_FALSE(report.has("transfer"));
        CHECK(report.text("role") == (role ? "destination" : ""));
        CHECK(report.text("owner") == (role ? "source" : ""));
        CHECK(report.number("exit-code") == 2);
    }
}

TEST_CASE("names and messages that are not UTF-8 still make valid JSON", "[cli]") {
    RunOutcome outcome = failed();
    outcome.report.devices.front().idstr = "gpu\xff\n";
    outcome.report.error->message = "bad \xc3( bytes";
    outcome.report.mbps = std::numeric_limits<double>::infinity();
    CHECK(faults(report_json(outcome)) == "");
}

TEST_CASE("the schema refuses reports that lack a key or have one more", "[cli]") {
    // Proves that the checks above can fail.
    std::string document = report_json(completed());
    const auto at = document.find("\"retry-safe\"");
    REQUIRE(at != std::string::npos);
    std::string renamed = document;
    renamed.replace(at, 12, "\"retry-sure\"");
    CHECK(faults(renamed) != "");
    std::string failed_without_error = document;
    failed_without_error.replace(document.find("\"completed\""), 11, "\"failed\"");
    CHECK(faults(failed_without_error) != "");
    CHECK(faults(document + document) != "");
}

TEST_CASE("a run left at once says what it leaves behind", "[cli]") {
    struct Case {
        Role role;
        CancelAnswer answer;
        Status status;
        Owner known;
        const char* owner;
        bool retry_safe;
    };
    constexpr auto kSource = Owner::source;
    constexpr auto kDestination = Owner::destination;
    constexpr auto kUnknown = Owner::unknown;
    const auto given = GENERATE(values<Case>({
        {Role::source, CancelAnswer::accepted, Status::active, kSource, "source", true},
        {Role::source, CancelAnswer::accepted, Status::device, kSource, "source", false},
        {Role::source, CancelAnswer::accepted, Status::cancelling, kSource, "source", false},
        {Role::source, CancelAnswer::too_late, Status::device, kSource, "unknown", false},
        {Role::source, CancelAnswer::in_doubt, Status::device, kUnknown, "unknown", false},
        {Role::source, CancelAnswer::not_running, Status::completed, kDestination, "unknown",
         false},
        {Role::source, CancelAnswer::not_running, Status::cancelling, kSource, "source", false},
        {Role::source, CancelAnswer::not_running, Status::failed, kUnknown, "unknown", false},
        {Role::destination, CancelAnswer::accepted, Status::device, kSource, "source", true},
        {Role::destination, CancelAnswer::requested, Status::device, kUnknown, "unknown", false},
        {Role::destination, CancelAnswer::not_running, Status::completed, kDestination, "unknown",
         false},
        {Role::destination, CancelAnswer::not_running, Status::failed, kSource, "source", true},
    }));
    Statistics statistics;
    statistics.role = given.role;
    statistics.status = given.status;
    statistics.owner = given.known;
    statistics.session = kSession;
    const RunOutcome outcome = ended_at_once(statistics, given.answer, 15);
    CHECK(faults(report_json(outcome)) == "");
    const JsonReport report = parsed(outcome);
    CHECK(report.text("owner") == given.owner);
    CHECK(report.flag("retry-safe") == given.retry_safe);
    CHECK(report.number("exit-code") == 143);
    CHECK(report.has("next-step"));
    CHECK_THAT(report.text("error.message"), Catch::Contains("SIGTERM"));
}

TEST_CASE("the summary tells of devices, channels, downtime and the owner", "[cli]") {
    const std::string text = summary(completed());
    CAPTURE(text);
    CHECK_THAT(text, Catch::Contains("multifd send: completed after 1.23 s"));
    CHECK_THAT(text, Catch::Contains("transferred 3.00 MiB at 941 Mbit/s"));
    CHECK_THAT(text, Catch::Contains("downtime went to: read 80.0 ms, stop 1.20 ms\n"));
    CHECK_THAT(text, Catch::Contains("nic0/2"));
    CHECK_THAT(text, Catch::EndsWith(
                         "owner: destination; devices here: all stop; next: nothing is left to "
                         "do\n"));
}

TEST_CASE("the report holds connections, placement and slow paths by the schema", "[cli]") {
    RunOutcome outcome = completed();
    TcpReport tcp;
    tcp.local_address = "tcp:10.0.0.1:5000";
    tcp.remote_address = "tcp:10.0.0.2:4444";
    tcp.congestion_control = "bbr";
    tcp.rtt_us = 250;
    tcp.retransmits = 3;
    tcp.congestion_window = 10;
    tcp.segment_bytes = 1024;
    tcp.busy_us = 1000;
    tcp.receiver_limited_us = 250;
    outcome.report.channels[0].tcp = tcp;
    outcome.report.channels[0].path = "tcp:10.0.0.2:4444";
    outcome.report.channels[0].cpus = "0-3,8";
    outcome.report.numa_node = 1;
    outcome.report.placement_note = "channel-cpus lie outside";
    outcome.report.slow_paths = {
        {"tcp:10.1.0.2:4444", "tcp:10.0.0.2:4444", 95.5, 955, "check that link"}};
    CHECK(faults(report_json(outcome)).empty());
    const JsonReport report = parsed(outcome);
    CHECK(report.text("channels.0.tcp.congestion-control") == "bbr");
    CHECK(report.number("channels.0.tcp.receiver-limited-us") == 250);
    CHECK(report.text("channels.0.cpus") == "0-3,8");
    CHECK_FALSE(report.has("channels.1.tcp"));
    CHECK_FALSE(report.has("channels.1.path"));
    CHECK(report.number("numa-node") == 1);
    CHECK(report.text("slow-paths.0.path") == "tcp:10.1.0.2:4444");
    CHECK(report.real("slow-paths.0.mbps") == 95.5);

    const std::string brief = summary(outcome);
    CHECK_THAT(brief, Catch::Contains("the path to tcp:10.1.0.2:4444 is slow"));
    CHECK_THAT(brief, !Catch::Contains("bbr"));
    const std::string detailed = summary(outcome, true);
    CHECK_THAT(detailed, Catch::Contains("bbr") && Catch::Contains("10.0 KiB") &&
                             Catch::Contains("25%") && Catch::Contains("0-3,8"));
}

TEST_CASE("the summary of a failure says where, and whether a retry is safe", "[cli]") {
    const std::string text = summary(failed());
    CHECK_THAT(text, Catch::Contains("error idx_gap in phase device, peer tcp:127.0.0.1:4444: "
                                     "device gpu0: idx 17: channel 3: it is missing"));
    CHECK_THAT(text, Catch::EndsWith("; a retry is safe; next: try again\n"));
    RunOutcome unsafe = failed();
    unsafe.report.retry_safe = false;
    CHECK_THAT(ownership_line(unsafe), Catch::Contains("a retry is NOT safe"));
}

TEST_CASE("thousands of devices do not make thousands of lines, nor do names escape", "[cli]") {
    RunOutcome outcome = completed();
    outcome.report.devices.assign(4096, outcome.report.devices.front());
    outcome.report.devices.front().idstr = "\x1b[31mred\n";
    const std::string text = summary(outcome);
    CHECK(std::ranges::count(text, '\n') < 80);
    CHECK_THAT(text, Catch::Contains("and 4032 more devices"));
    CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE("numbers for people are rounded to three digits", "[cli]") {
    CHECK(readable_bytes(0) == "0 B");
    CHECK(readable_bytes(1023) == "1023 B");
    CHECK(readable_bytes(1024) == "1.00 KiB");
    CHECK(readable_bytes(1536) == "1.50 KiB");
    CHECK(readable_bytes(1024 * 1024 - 1) == "1.00 MiB");
    CHECK(readable_bytes(std::numeric_limits<std::uint64_t>::max()) == "16.0 EiB");
    CHECK(readable_rate(0.0) == "0 Mbit/s");
    CHECK(readable_rate(941.2) == "941 Mbit/s");
    CHECK(readable_rate(999.6) == "1.00 Gbit/s");
    CHECK(readable_us(999) == "999 us");
    CHECK(readable_us(1200) == "1.20 ms");
    CHECK(readable_us(3'410'000) == "3.41 s");
    CHECK(readable_us(125'000'000) == "2 min 5 s");
    CHECK(readable_ms(0) == "0 ms");
    CHECK(readable_ms(std::uint64_t{1234}) == "1.23 s");
}

}  // namespace multifd
