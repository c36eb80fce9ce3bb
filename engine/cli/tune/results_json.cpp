#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/cli/tune/results_text.hpp"

namespace multifd::tuning {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kIndent = 2;

Json text_or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

/// Three decimals are more than any clock here is worth.
Json rounded(double value) {
    return std::isfinite(value) ? Json(std::round(value * 1000.0) / 1000.0) : Json(nullptr);
}

Json figures_json(const Figures& figures) {
    Json json = Json::object();
    for (std::size_t index = 0; index < kFigures; ++index) {
        const auto figure = static_cast<Figure>(index);
        if (const auto value = figures.get(figure)) {
            json[std::string(name_of(figure))] = rounded(*value);
        }
    }
    return json;
}

Json spread_json(const CaseResult& result, Figure figure) {
    if (!result.median.get(figure)) return nullptr;
    const Spread spread = result.spread(figure);
    return Json{{"median", rounded(spread.median)},
                {"low", rounded(spread.low)},
                {"high", rounded(spread.high)}};
}

Json settings_json(const Matrix& matrix, std::size_t index) {
    Json json = Json::object();
    for (std::size_t axis = 0; axis < matrix.axes.size(); ++axis) {
        const std::string option(matrix.axes[axis].dimension->option);
        json[option] = std::visit([](const auto& value) { return Json(value); },
                                  matrix.value(index, axis).value);
    }
    return json;
}

Json dimensions_json(const Matrix& matrix) {
    Json json = Json::array();
    for (const Axis& axis : matrix.axes) {
        Json values = Json::array();
        for (const DimensionValue& value : axis.values) values.push_back(value.text);
        json.push_back(Json{{"name", axis.dimension->name},
                            {"option", axis.dimension->option},
                            {"values", std::move(values)}});
    }
    return json;
}

Json case_json(const Results& results, std::size_t index) {
    const CaseResult& result = results.cases[index];
    return Json{
        {"case", index},
        {"settings", settings_json(results.matrix, index)},
        {"runs", result.runs.size()},
        {"failures", result.failures},
        {"dropped-after-round", result.dropped_after ? Json(*result.dropped_after) : Json(nullptr)},
        {"downtime-us", spread_json(result, Figure::downtime)},
        {"rate-bytes-per-second", spread_json(result, Figure::rate)},
        {"cpu-s-per-gb", spread_json(result, Figure::cpu_per_gigabyte)},
        {"medians", figures_json(result.median)}};
}

Json run_json(const RunRecord& run) {
    Json failure = nullptr;
    if (run.failure) {
        failure = Json{{"code", run.failure->code},
                       {"message", run.failure->message},
                       {"exit-code", run.failure->exit_code}};
    }
    return Json{{"case", run.turn.case_index},
                {"round", run.turn.round},
                {"counted", run.turn.round != 0},
                {"seconds", rounded(run.seconds)},
                {"figures", run.figures ? figures_json(*run.figures) : Json(nullptr)},
                {"error", std::move(failure)}};
}

Json verdict_json(const std::optional<Verdict>& verdict) {
    if (!verdict) return nullptr;
    Json shares = Json::object();
    for (const Share& share : verdict->shares) {
        shares[std::string(share.name)] = rounded(share.part);
    }
    return Json{{"bottleneck", name_of(verdict->bottleneck)},
                {"sentence", verdict->sentence},
                {"shares", std::move(shares)}};
}

Json circumstances_json(const Circumstances& circumstances) {
    return Json{{"started-at", circumstances.started_at},
                {"host", circumstances.host},
                {"kernel", circumstances.kernel},
                {"processor", text_or_null(circumstances.processor)},
                {"cores", circumstances.cores},
                {"congestion-control", text_or_null(circumstances.congestion_control)},
                {"to", text_or_null(circumstances.to)}};
}

Json workload_json(const Workload& workload) {
    return Json{{"devices", workload.devices},
                {"state-size", workload.state_size},
                {"compressible-percent", workload.compressible_percent},
                {"memory", to_string(workload.memory)},
                {"read-rate", workload.read_rate},
                {"write-rate", workload.write_rate}};
}

}  // namespace

std::string results_json(const Results& results) {
    Json cases = Json::array();
    for (std::size_t index = 0; index < results.cases.size(); ++index) {
        cases.push_back(case_json(results, index));
    }
    Json runs = Json::array();
    for (const RunRecord& run : results.runs) runs.push_back(run_json(run));
    const Json json{
        {"schema", "multifd-tune/1"},
        {"version", MULTIFD_VERSION},
        {"partial", results.partial},
        {"circumstances", circumstances_json(results.circumstances)},
        {"workload", workload_json(results.workload)},
        {"repeat", results.rules.repeat},
        {"quick", results.rules.quick},
        {"dimensions", dimensions_json(results.matrix)},
        {"best-case", results.best ? Json(*results.best) : Json(nullptr)},
        {"verdict", verdict_json(results.verdict)},
        {"cases", std::move(cases)},
        {"runs", std::move(runs)},
    };
    return json.dump(kIndent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace multifd::tuning
