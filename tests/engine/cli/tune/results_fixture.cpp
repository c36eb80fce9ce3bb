#include "tests/engine/cli/tune/results_fixture.hpp"

#include <array>

namespace multifd::tuning {
namespace {

constexpr std::size_t kFailing = 3;

Results empty_results() {
    Results results;
    results.circumstances = {
        "2026-11-20T10:00:00Z", "host", "6.1.0", "Some <Processor>", 4, "bbr", 0, ""};
    results.workload.devices = 2;
    results.rules = {3, false};
    results.matrix =
        make_matrix({read_axis(dimensions()[0], "1,4"), read_axis(dimensions()[1], "64KiB,1MiB")});
    return results;
}

RunRecord failure_of(const Turn& turn) {
    RunRecord record;
    record.turn = turn;
    record.failure = RunFailure{"device_failed", "\"tune0\", at once: <b>&'\nno", 5};
    return record;
}

}  // namespace

Figures made_up_figures(double downtime_us, double cpu_us) {
    Figures figures;
    for (std::size_t index = 0; index < kFigures; ++index) {
        figures.set(static_cast<Figure>(index), downtime_us / 100);
    }
    figures.set(Figure::state, downtime_us * 0.7);
    figures.set(Figure::load, downtime_us * 0.26);
    figures.set(Figure::source_cpu, cpu_us);
    figures.set(Figure::destination_cpu, cpu_us);
    figures.set(Figure::state_bytes, 5e8);
    derive(figures);
    return figures;
}

Results made_up_results() {
    Results results = empty_results();
    constexpr std::array<double, 3> kDowntimes{300'000, 250'000, 200'000};
    Schedule schedule(results.matrix.cases.size(), results.rules);
    while (const auto turn = schedule.next()) {
        RunRecord record;
        record.turn = *turn;
        if (turn->case_index == kFailing) {
            record = failure_of(*turn);
        } else {
            record.figures = made_up_figures(kDowntimes.at(turn->case_index) + 1000 * turn->round);
        }
        record.seconds = 0.5;
        schedule.record(record.figures ? record.figures->get(Figure::downtime) : std::nullopt);
        results.runs.push_back(std::move(record));
    }
    conclude(results, schedule);
    results.samples = made_up_samples();
    return results;
}

Results failed_results() {
    Results results = empty_results();
    Schedule schedule(results.matrix.cases.size(), results.rules);
    while (const auto turn = schedule.next()) {
        schedule.record(std::nullopt);
        results.runs.push_back(failure_of(*turn));
    }
    conclude(results, schedule);
    return results;
}

std::string made_up_samples() {
    std::string samples;
    for (int step = 0; step <= 100; ++step) {
        const std::string bytes = std::to_string(step * 1'000'000);
        const char* status = step < 20 ? "active" : (step < 90 ? "device" : "completed");
        samples += std::string(samples.empty() ? "" : ",") + R"({"at-us":)" +
                   std::to_string(step * 5000) + R"(,"status":")" + status + R"(","transferred":)" +
                   bytes + R"(,"queued-bytes":0,"devices":[)" + bytes + "," +
                   std::to_string(step > 50 ? 50'000'000 : step * 1'000'000) + R"(],"channels":[)" +
                   (step < 10 ? "" : bytes + "," + bytes) + "]}";
    }
    return R"({"schema":"multifd-samples/1","role":"source","session":null,"interval-us":5000,)"
           R"("devices":["tune<0>","tune1"],"channels":[0,1],"samples":[)" +
           samples + "]}\n";
}

}  // namespace multifd::tuning
