#include "engine/cli/tune/report_page.hpp"

#include <catch2/catch.hpp>

#include "engine/cli/tune/plots.hpp"
#include "tests/engine/cli/tune/results_fixture.hpp"

namespace multifd::tuning {
namespace {

std::size_t count(const std::string& text, std::string_view part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++found;
    }
    return found;
}

bool has(const std::string& text, std::string_view part) {
    return count(text, part) != 0;
}

/// Nothing is loaded from anywhere, and every element that is opened is closed.
void check_self_contained(const std::string& page) {
    for (const char* outside : {"src=", "href=", "url(", "@import", "<script", "<link"}) {
        CAPTURE(outside);
        CHECK_FALSE(has(page, outside));
    }
    CHECK(count(page, "http") == count(page, "xmlns=\"http://www.w3.org/2000/svg\""));
    for (const char* element : {"svg", "section", "table", "div", "main", "html"}) {
        CAPTURE(element);
        CHECK(count(page, "<" + std::string(element) + " ") +
                  count(page, "<" + std::string(element) + ">") ==
              count(page, "</" + std::string(element) + ">"));
    }
    CHECK_FALSE(has(page, "nan"));
    CHECK_FALSE(has(page, "inf\""));
}

}  // namespace

TEST_CASE("the page has its plots, its verdict and what failed", "[tune]") {
    const Results results = made_up_results();
    const std::string page = report_page(results);
    check_self_contained(page);
    CHECK(count(page, "<svg") == 5);
    CHECK(has(page, results.verdict->sentence.substr(0, 30)));
    CHECK(has(page, "Runs that failed"));
    CHECK(has(page, "2 failed: device_failed"));
    CHECK(has(page, "tune&lt;0&gt;"));
    CHECK(has(page, "prefers-color-scheme: dark"));
}

TEST_CASE("nothing of a message or a name is taken for HTML", "[tune]") {
    const std::string page = report_page(made_up_results());
    CHECK_FALSE(has(page, "<b>&'"));
    CHECK(has(page, "at once: &lt;b&gt;&amp;&#39;"));
    CHECK(has(page, "Some &lt;Processor&gt;"));
}

TEST_CASE("a tuning in which everything failed has a page that says so", "[tune]") {
    const std::string page = report_page(failed_results());
    check_self_contained(page);
    CHECK(has(page, "No run has completed"));
    CHECK(count(page, "<svg") == 0);
}

TEST_CASE("a partial tuning says that it is one", "[tune]") {
    Results results = made_up_results();
    CHECK_FALSE(has(report_page(results), "ended before"));
    results.partial = true;
    CHECK(has(report_page(results), "ended before"));
}

TEST_CASE("one case, and a destination that says nothing, make a page too", "[tune]") {
    Results results;
    results.rules = {1, false};
    results.circumstances.to = "tcp:192.0.2.1:4444";
    results.matrix = make_matrix({read_axis(dimensions()[0], "2")});
    Figures figures;
    figures.set(Figure::state, 1000);
    figures.set(Figure::state_bytes, 1e6);
    figures.set(Figure::source_cpu, 500);
    derive(figures);
    RunRecord record;
    record.turn = {0, 1};
    record.figures = figures;
    results.runs = {record};
    conclude(results, Schedule(1, results.rules));
    const std::string page = report_page(results);
    check_self_contained(page);
    CHECK(has(page, "processor time of the source"));
    CHECK(has(page, "What only the destination knows is not in these figures"));
    results.circumstances.to.clear();
    CHECK_FALSE(has(report_page(results), "What only the destination knows"));
}

TEST_CASE("the page of a tuning towards another host has what that told", "[tune]") {
    Results results = made_up_results();
    CHECK(has(report_page(results), "; 4 cores (Some"));
    results.circumstances.to = "tcp:192.0.2.1:4444";
    results.cases[*results.best].median.set(Figure::destination_cores, 16);
    const std::string page = report_page(results);
    CHECK(has(page, "; 4 cores here, 16 there (Some"));
    CHECK_FALSE(has(page, "What only the destination knows"));
}

TEST_CASE("cases are listed by downtime, those without one last", "[tune]") {
    CHECK(by_downtime(made_up_results()) == std::vector<std::size_t>{2, 1, 0, 3});
}

}  // namespace multifd::tuning
