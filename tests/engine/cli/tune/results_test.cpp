#include "engine/cli/tune/results.hpp"

#include <catch2/catch.hpp>

#include "tests/engine/cli/tune/results_fixture.hpp"

namespace multifd::tuning {
namespace {

/// Cases that cost so much, one counted run each.
Results results_of(const std::vector<std::pair<double, double>>& downtime_and_cpu) {
    std::string channels = "1";
    for (std::size_t count = 2; count <= downtime_and_cpu.size(); ++count) {
        channels += "," + std::to_string(count);
    }
    Results results;
    results.rules = {1, false};
    results.matrix = make_matrix({read_axis(dimensions()[0], channels)});
    Schedule schedule(downtime_and_cpu.size(), results.rules);
    while (const auto turn = schedule.next()) {
        const auto [downtime, cpu] = downtime_and_cpu[turn->case_index];
        RunRecord record;
        record.turn = *turn;
        // The warm-up is the fastest of all, and must not count.
        record.figures = made_up_figures(turn->round == 0 ? 1 : downtime, cpu);
        schedule.record(downtime);
        results.runs.push_back(std::move(record));
    }
    conclude(results, schedule);
    return results;
}

}  // namespace

TEST_CASE("the shortest median downtime wins, without the warm-up", "[tune]") {
    const Results results = results_of({{300, 1}, {200, 9}, {400, 1}});
    REQUIRE(results.best);
    CHECK(*results.best == 1);
    REQUIRE(results.cases[0].measured());
    CHECK(results.cases[0].runs.size() == 1);
    CHECK(results.verdict);
}

TEST_CASE("of downtimes that are the same the one with less processor time wins", "[tune]") {
    CHECK(results_of({{200, 9}, {201, 1}, {250, 0.1}}).best == std::optional<std::size_t>(1));
}

TEST_CASE("a case has the median and the spread of its counted runs", "[tune]") {
    const Results results = made_up_results();
    REQUIRE(results.best);
    CHECK(*results.best == 2);
    const CaseResult& best = results.cases[2];
    const Spread downtime = best.spread(Figure::downtime);
    CHECK(downtime.median == Approx(made_up_figures(202'000).value_or_zero(Figure::downtime)));
    CHECK(downtime.low < downtime.median);
    CHECK(downtime.high > downtime.median);
    CHECK(results.cases[3].failures == 2);
    CHECK_FALSE(results.cases[3].measured());
    REQUIRE(results.cases[3].dropped_after);
}

TEST_CASE("what was dropped does not win by its few runs", "[tune]") {
    Results results;
    results.rules = {2, true};
    results.matrix = make_matrix({read_axis(dimensions()[0], "1,2")});
    Schedule schedule(2, results.rules);
    while (const auto turn = schedule.next()) {
        // The first is worse in the first round, the second in the second.
        const double downtime = turn->case_index == 0 ? 200 : (turn->round == 1 ? 100 : 900);
        RunRecord record;
        record.turn = *turn;
        record.figures = made_up_figures(downtime);
        schedule.record(downtime);
        results.runs.push_back(std::move(record));
    }
    conclude(results, schedule);
    CHECK(results.best == std::optional<std::size_t>(1));
}

TEST_CASE("when nothing has completed there is no best and no verdict", "[tune]") {
    const Results results = failed_results();
    CHECK_FALSE(results.best);
    CHECK_FALSE(results.verdict);
    CHECK(results.cases.size() == 4);
}

TEST_CASE("towards an address of this host both ends share its processors", "[tune]") {
    struct Towards {
        const char* to;
        bool here;
    };
    const auto one = GENERATE(values<Towards>({
        {"", true},
        {"tcp:127.0.0.1:4444", true},
        {"tcp:127.9.8.7:4444", true},
        {"tcp:[::1]:4444", true},
        {"tcp:localhost:4444", true},
        {"unix:/tmp/socket", true},
        {"tcp:192.0.2.1:4444", false},
        {"tcp:[2001:db8::1]:4444", false},
        {"tcp:dst-host:4444", false},
    }));
    CAPTURE(one.to);
    // Of a transfer of one second, each end computes for two on four cores.
    Figures figures = made_up_figures(1e6, 2e6);
    figures.set(Figure::state, 1e6);
    figures.set(Figure::load, 0);
    figures.set(Figure::destination_transfer, 1e6);
    figures.set(Figure::destination_cores, 4);
    derive(figures);
    Results results;
    results.rules = {1, false};
    results.circumstances.to = one.to;
    results.circumstances.cores = 4;
    results.matrix = make_matrix({read_axis(dimensions()[0], "2")});
    RunRecord record;
    record.turn = {0, 1};
    record.figures = figures;
    results.runs = {record};

    conclude(results, Schedule(1, results.rules));

    REQUIRE(results.verdict);
    INFO(results.verdict->sentence);
    CHECK((results.verdict->bottleneck == Bottleneck::processors) == one.here);
    CHECK((results.verdict->sentence.find("both ends together keep 4.0 of this host's 4") !=
           std::string::npos) == one.here);
}

}  // namespace multifd::tuning
