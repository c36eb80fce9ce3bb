#include "engine/cli/tune/progress.hpp"

#include <catch2/catch.hpp>

#include "tests/engine/cli/tune/results_fixture.hpp"

namespace multifd::tuning {
namespace {

using std::chrono::seconds;
using Now = Progress::Clock::time_point;

RunRecord run_of(const Turn& turn, double downtime_us) {
    RunRecord record;
    record.turn = turn;
    record.figures = made_up_figures(downtime_us);
    return record;
}

}  // namespace

TEST_CASE("progress says where it is, what is best and how long the rest takes", "[tune]") {
    const Matrix matrix = make_matrix({read_axis(dimensions()[0], "1,2")});
    Progress progress(matrix);
    const Now begin{};
    progress.begin({0, 0}, 7, begin);
    CHECK(progress.live(begin, 200) == "tune 1 of 7  channels 1");
    const std::string warm = progress.end(run_of({0, 0}, 1000), begin + seconds(10));
    CHECK(warm.starts_with("1 of 7: channels 1: downtime "));
    CHECK(warm.ends_with("(warm-up)"));
    progress.begin({1, 1}, 6, begin + seconds(10));
    CHECK(progress.live(begin + seconds(15), 200) == "tune 2 of 7  channels 2  about 55 s left");
    progress.begin({1, 1}, 60, begin + seconds(10));
    CHECK(progress.live(begin + seconds(10), 200).ends_with("about 10 min 0 s left"));
    progress.end(run_of({1, 1}, 100'000), begin + seconds(20));
    progress.begin({0, 2}, 5, begin + seconds(20));
    const std::string live = progress.live(begin + seconds(20), 200);
    CHECK(live.find("  best ") != std::string::npos);
    CHECK(progress.live(begin + seconds(100), 200).ends_with("nearly done"));
    for (std::size_t width = 0; width < live.size(); ++width) {
        CHECK(progress.live(begin + seconds(20), width).size() <= width);
    }
}

TEST_CASE("a run that failed says why", "[tune]") {
    const Results results = failed_results();
    CHECK(describe(results.runs.front()).starts_with("FAILED: device_failed: "));
}

}  // namespace multifd::tuning
