#include <nlohmann/json.hpp>

#include "engine/cli/check/output.hpp"

namespace multifd::checking {
namespace {

using Json = nlohmann::ordered_json;

Json device_json(const DeviceTraits& traits) {
    return Json{{"kind", traits.kind},
                {"p2p", traits.p2p},
                {"pre-copy", traits.pre_copy},
                {"lends", traits.lends},
                {"dma-logging", traits.dma_logging},
                {"chunked", traits.chunked}};
}

Json or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

Json items_json(const CheckReport& report) {
    Json items = Json::array();
    for (const CheckedItem& item : report.items) {
        items.push_back(Json{{"name", item.item.name},
                             {"title", item.item.title},
                             {"result", to_string(item.result)},
                             {"reason", or_null(item.reason)},
                             {"repetition", item.repetition},
                             {"time-us", item.time.count()}});
    }
    return items;
}

Json transitions_json(const CheckReport& report) {
    Json transitions = Json::array();
    for (const TransitionTime& time : report.transitions) {
        transitions.push_back(Json{{"role", to_string(time.role)},
                                   {"from", to_string(time.from)},
                                   {"target", to_string(time.target)},
                                   {"count", time.count},
                                   {"median-us", time.median.count()},
                                   {"p99-us", time.p99.count()},
                                   {"max-us", time.max.count()}});
    }
    return transitions;
}

Json state_json(const std::optional<DeviceState>& state) {
    return state ? Json(to_string(*state)) : Json(nullptr);
}

Json failure_json(const CheckOutcome& outcome) {
    if (!outcome.report.failure) return nullptr;
    const CheckFailure& failure = *outcome.report.failure;
    return Json{{"item", failure.item},
                {"reason", failure.reason},
                {"repetition", failure.repetition},
                {"source-state", state_json(failure.source)},
                {"destination-state", state_json(failure.destination)},
                {"calls", failure.calls},
                {"kept", or_null(outcome.kept)}};
}

}  // namespace

std::string check_json(const CheckOutcome& outcome) {
    const CheckReport& report = outcome.report;
    const bool stopped = report.result == CheckResult::skipped;
    const Json json{{"schema", "multifd-check/1"},
                    {"version", MULTIFD_VERSION},
                    {"device", outcome.idstr},
                    {"result", stopped ? "stopped" : to_string(report.result)},
                    {"exit-code", outcome.exit_code},
                    {"source", device_json(report.source)},
                    {"destination", device_json(report.destination)},
                    {"repetitions", report.repetitions},
                    {"state-bytes", report.state_bytes},
                    {"config-bytes", report.config_bytes},
                    {"items", items_json(report)},
                    {"transitions", transitions_json(report)},
                    {"failure", failure_json(outcome)}};
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace multifd::checking
