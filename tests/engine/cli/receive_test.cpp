#include "engine/cli/receive.hpp"

#include <catch2/catch.hpp>

#include "engine/cli/report_json.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {

TEST_CASE("each served migration has a report of its own", "[cli]") {
    const TemporaryFolder folder;
    CHECK(served_report_target(folder / "dst.json", 1).json == folder / "dst-1.json");
    CHECK(served_report_target(folder / "dst.json", 12).json == folder / "dst-12.json");
    CHECK(served_report_target(folder / "dst", 2).json == folder / "dst-2");
    CHECK_FALSE(served_report_target(folder / "dst.json", 1).lines);
    CHECK(served_report_target("dst.json", 3).json == "dst-3.json");
    CHECK(served_report_target("", 3).json.empty());
}

TEST_CASE("what is no regular file gets one line after the other", "[cli]") {
    for (const char* stream : {"-", "/dev/null"}) {
        const ReportTarget target = served_report_target(stream, 7);
        CHECK(target.json == stream);
        CHECK(target.lines);
    }
    RunOutcome outcome = ended_early(Role::destination, Status::failed, {});
    const std::string line = report_json(outcome, ReportForm::line);
    CHECK(line.find('\n') == line.size() - 1);
}

TEST_CASE("an end before any source has come is not that of a migration", "[cli]") {
    Report report;
    CHECK_FALSE(ended_while_waiting(report));
    report.error = ErrorReport{};
    report.error->phase = "none";
    CHECK(ended_while_waiting(report));
    report.error->phase = "setup";
    CHECK_FALSE(ended_while_waiting(report));
}

}  // namespace multifd
