#include "engine/cli/check/output.hpp"

#include <catch2/catch.hpp>

#include "tests/engine/cli/schema.hpp"

namespace multifd::checking {
namespace {

CheckOutcome passed() {
    CheckOutcome outcome;
    outcome.idstr = "gpu0";
    CheckReport& report = outcome.report;
    report.source = {.kind = "memory", .p2p = true, .dma_logging = true};
    report.destination = {.kind = "file", .p2p = true};
    const auto items = check_items();
    report.items = {
        {items[0], CheckResult::passed, "", 2, std::chrono::microseconds(1'500)},
        {items[1], CheckResult::skipped, "the device has no pre-copy", 2, {}},
    };
    report.transitions = {{Role::source, DeviceState::stop, DeviceState::stop_copy, 4,
                           std::chrono::microseconds(10), std::chrono::microseconds(20),
                           std::chrono::microseconds(20)}};
    report.repetitions = 2;
    report.state_bytes = 1U << 20U;
    return outcome;
}

CheckOutcome failed() {
    CheckOutcome outcome = passed();
    outcome.exit_code = 5;
    outcome.kept = "/tmp/multifd-check-1";
    CheckReport& report = outcome.report;
    report.result = CheckResult::failed;
    report.items[0].result = CheckResult::failed;
    report.items[0].reason = "it <failed> with \"3\" & \x1b[31m\xff";
    CheckFailure failure;
    failure.item = report.items[0].item.name;
    failure.reason = report.items[0].reason;
    failure.repetition = 3;
    failure.source = DeviceState::stop_copy;
    failure.calls = {"source read(1 bytes): ok 1, 2 us", "]]> <"};
    report.failure = failure;
    return outcome;
}

CheckOutcome stopped() {
    CheckOutcome outcome = passed();
    outcome.report.result = CheckResult::skipped;
    outcome.exit_code = 9;
    return outcome;
}

TEST_CASE("the JSON of a check is by its schema", "[check]") {
    CHECK(schema_faults("multifd-check.schema.json", check_json(passed())).empty());
    CHECK(schema_faults("multifd-check.schema.json", check_json(failed())).empty());
    CHECK(schema_faults("multifd-check.schema.json", check_json(stopped())).empty());
    CHECK_FALSE(schema_faults("multifd-check.schema.json", "{}").empty());
}

TEST_CASE("JUnit XML has a test case for each item, and nothing that XML forbids", "[check]") {
    const std::string good = check_junit(passed());
    CHECK_THAT(good, Catch::Contains("<testsuite name=\"multifd check gpu0\" tests=\"2\" "
                                     "failures=\"0\" errors=\"0\" skipped=\"1\" "
                                     "time=\"0.001500\">"));
    CHECK_THAT(good, Catch::Contains("<testcase classname=\"multifd.check.gpu0\" "
                                     "name=\"initial-state\" time=\"0.001500\"/>"));
    CHECK_THAT(good, Catch::Contains("<skipped message=\"the device has no pre-copy\"/>"));

    const std::string bad = check_junit(failed());
    CHECK_THAT(bad, Catch::Contains("<failure message=\"it &lt;failed&gt; with &quot;3&quot; "
                                    "&amp; ?[31m?\">"));
    CHECK_THAT(bad, Catch::Contains("kept in /tmp/multifd-check-1\n"));
    CHECK_THAT(bad, Catch::Contains("]]&gt; &lt;\n</failure>"));
}

TEST_CASE("the text of a check says what was found, and where it is kept", "[check]") {
    const std::string good = check_text(passed());
    CHECK_THAT(good, Catch::Contains("gpu0: memory, p2p, dma-logging; loaded into: file, p2p"));
    CHECK_THAT(good, Catch::Contains("stop to stop-copy"));
    CHECK_THAT(good, Catch::Contains("passed: 1 passed, 0 failed, 1 skipped; 2 whole repetitions"));
    CHECK_THAT(good, !Catch::Contains("kept"));

    const std::string bad = check_text(failed());
    CHECK_THAT(bad, Catch::Contains("failed: initial-state, repetition 3"));
    CHECK_THAT(bad, Catch::Contains("source: stop-copy"));
    CHECK_THAT(bad, Catch::Contains("destination: unknown: a call has not returned"));
    CHECK_THAT(bad, Catch::Contains("are kept in /tmp/multifd-check-1"));
    CHECK_THAT(bad, !Catch::Contains("\x1b"));
    CHECK_THAT(check_text(stopped()), Catch::Contains("stopped: "));
}

}  // namespace
}  // namespace multifd::checking
