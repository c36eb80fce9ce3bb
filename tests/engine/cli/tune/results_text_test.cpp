#include "engine/cli/tune/results_text.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "engine/cli/run_settings.hpp"
#include "tests/engine/cli/schema.hpp"
#include "tests/engine/cli/tune/results_fixture.hpp"
#include "tests/support/report_reader.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd::tuning {

TEST_CASE("results.json is valid by its schema, whatever happened", "[tune]") {
    CHECK(schema_faults("multifd-tune.schema.json", results_json(made_up_results())).empty());
    CHECK(schema_faults("multifd-tune.schema.json", results_json(failed_results())).empty());
    Results partial = made_up_results();
    partial.partial = true;
    partial.circumstances.to = "tcp:192.0.2.1:4444";
    CHECK(schema_faults("multifd-tune.schema.json", results_json(partial)).empty());
    // A mistake must not pass.
    CHECK_FALSE(schema_faults("multifd-tune.schema.json", "{}").empty());
}

TEST_CASE("results.json says what was best and what failed", "[tune]") {
    const auto json = JsonReport::parse(results_json(made_up_results()));
    REQUIRE(json);
    CHECK(json->number("best-case") == 2);
    CHECK(json->number("cases.2.settings.multifd-channels") == 4);
    CHECK(json->number("cases.2.settings.packet-size") == 65536);
    CHECK(json->number("cases.3.failures") == 2);
    CHECK_FALSE(json->has("cases.3.downtime-us"));
    CHECK(json->real("cases.2.downtime-us.low") < json->real("cases.2.downtime-us.high"));
    CHECK(json->number("runs.0.round") == 0);
    CHECK_FALSE(json->flag("runs.0.counted"));
    CHECK(json->text("runs.4.error.code") == "device_failed");
    CHECK(json->has("verdict.sentence"));
}

TEST_CASE("cells of CSV are quoted when they must be", "[tune]") {
    CHECK(csv_cell("plain text") == "plain text");
    CHECK(csv_cell("").empty());
    CHECK(csv_cell("a,b") == "\"a,b\"");
    CHECK(csv_cell("say \"no\"") == "\"say \"\"no\"\"\"");
    CHECK(csv_cell("two\nlines") == "\"two\nlines\"");
}

TEST_CASE("results.csv has a line for each run, failed ones too", "[tune]") {
    const Results results = made_up_results();
    const std::string text = results_csv(results);
    // The messages of the failed ones have a newline of their own.
    const auto failed = static_cast<std::ptrdiff_t>(results.cases[3].failures);
    const auto runs = static_cast<std::ptrdiff_t>(results.runs.size());
    CHECK(std::ranges::count(text, '\n') == 1 + runs + failed);
    CHECK(text.starts_with("case,round,counted,multifd-channels,packet-size,seconds,downtime-us,"));
    CHECK(text.find("device_failed,\"\"\"tune0\"\", at once: <b>&'\nno\"\r\n") !=
          std::string::npos);
}

TEST_CASE("best.toml is taken by both ends as it is", "[tune]") {
    const TemporaryFolder folder;
    write_text(folder / "best.toml", best_settings(made_up_results()));
    const RunSettings send =
        settle(parse_arguments({"send", "--to", "tcp:127.0.0.1:1", "--device", "memory,idstr=a",
                                "--config", folder / "best.toml"}));
    CHECK(send.command.source.multifd_channels == 4);
    CHECK(send.command.source.packet_size == 65536);
    const RunSettings receive =
        settle(parse_arguments({"receive", "--listen", "tcp:127.0.0.1:0", "--device",
                                "memory,idstr=a", "--config", folder / "best.toml"}));
    CHECK(receive.command.destination.multifd_channels == 4);
}

TEST_CASE("without a best there is no best.toml", "[tune]") {
    CHECK(best_settings(failed_results()).empty());
}

}  // namespace multifd::tuning
