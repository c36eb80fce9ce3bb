#include "engine/cli/tune/run_record.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>

namespace multifd::tuning {
namespace {

using Json = nlohmann::json;

struct Part {
    const char* name;
    Figure figure;
};
constexpr std::array kSourceParts{
    Part{"stop", Figure::stop},     Part{"state", Figure::state},   Part{"load", Figure::load},
    Part{"verify", Figure::verify}, Part{"commit", Figure::commit}, Part{"read", Figure::read},
    Part{"queue", Figure::queue},   Part{"config", Figure::config}, Part{"send", Figure::send}};
constexpr std::array kDestinationParts{
    Part{"receive", Figure::receive}, Part{"reorder-wait", Figure::reorder_wait},
    Part{"write", Figure::write}, Part{"validate", Figure::validate}};
constexpr std::array kDestinationTotals{Part{"processors", Figure::destination_cores},
                                        Part{"peak-queued-bytes", Figure::peak_queued_bytes},
                                        Part{"queued-bytes-max", Figure::queued_bytes_max},
                                        Part{"channel-cpu-us", Figure::receiver_cpu}};

/// Null for anything that is not one object.
Json parse(const std::string& text) {
    Json json = Json::parse(text, nullptr, false);
    return json.is_object() ? json : Json();
}

std::optional<double> number(const Json& json, const char* key) {
    if (!json.is_object() || !json.contains(key) || !json.at(key).is_number()) return std::nullopt;
    return json.at(key).get<double>();
}

std::string text(const Json& json, const char* key) {
    if (!json.is_object() || !json.contains(key) || !json.at(key).is_string()) return "";
    return json.at(key).get<std::string>();
}

Json member(const Json& json, const char* key) {
    return json.is_object() && json.contains(key) ? json.at(key) : Json();
}

void take(Figures& figures, Figure figure, std::optional<double> value) {
    if (value) figures.set(figure, *value);
}

void take(Figures& figures, const Json& values, std::span<const Part> parts) {
    for (const Part& part : parts) take(figures, part.figure, number(values, part.name));
}

double busiest_cpu(const Json& report) {
    double most = 0;
    for (const Json& channel : member(report, "channels")) {
        most = std::max(most, number(channel, "cpu-us").value_or(0));
    }
    return most;
}

std::optional<double> cpu_of_transfer(const Json& transfer) {
    if (!transfer.is_object()) return std::nullopt;
    return number(transfer, "user-us").value_or(0) + number(transfer, "system-us").value_or(0);
}

/// Of the process while device state moved, or, when that is unknown, over the whole migration.
std::optional<double> cpu_of(const Json& report) {
    const auto cpu = cpu_of_transfer(member(report, "transfer"));
    return cpu ? cpu : number(report, "cpu-us");
}

/// What the destination has told the source.
void take_destination(Figures& figures, const Json& destination) {
    take(figures, member(destination, "downtime-parts"), kDestinationParts);
    take(figures, destination, kDestinationTotals);
    const Json transfer = member(destination, "transfer");
    take(figures, Figure::destination_cpu, cpu_of_transfer(transfer));
    take(figures, Figure::destination_transfer, number(transfer, "us"));
    // The source's wait for Loaded includes the devices' judgement of their state.
    const double load = figures.value_or_zero(Figure::load);
    const double validate = std::min(load, figures.value_or_zero(Figure::validate));
    figures.set(Figure::validate, validate);
    figures.set(Figure::load, load - validate);
}

Figures figures_of(const Json& source) {
    Figures figures;
    take(figures, member(source, "downtime-parts"), kSourceParts);
    take(figures, Figure::source_cpu, cpu_of(source));
    take(figures, Figure::state_bytes, number(source, "transferred"));
    const double total_ms = number(source, "total-time").value_or(0);
    figures.set(Figure::total, total_ms * 1000);
    double wire = 0;
    for (const Json& channel : member(source, "channels")) {
        wire += number(channel, "bytes").value_or(0);
    }
    figures.set(Figure::wire_bytes, wire);
    figures.set(Figure::sender_cpu, busiest_cpu(source));
    const Json destination = member(source, "destination");
    if (destination.is_object()) take_destination(figures, destination);
    derive(figures);
    return figures;
}

RunFailure failure_of(const Json& source, const Json& destination, const RunEnds& ends) {
    for (const Json* report : {&source, &destination}) {
        const Json error = member(*report, "error");
        if (error.is_object())
            return {text(error, "code"), text(error, "message"), ends.source_exit_code};
    }
    RunFailure failure{"no_report", "the source left no report", ends.source_exit_code};
    failure.message += " and exited with " + std::to_string(ends.source_exit_code);
    if (!ends.source_said.empty()) failure.message += ": " + ends.source_said;
    return failure;
}

}  // namespace

RunRecord read_run(const Turn& turn, const RunEnds& ends) {
    RunRecord record;
    record.turn = turn;
    const Json source = parse(ends.source_report);
    const Json destination = parse(ends.destination_report);
    record.destination = text(destination, "status");
    if (ends.source_exit_code == 0 && text(source, "status") == "completed") {
        record.figures = figures_of(source);
    } else {
        record.failure = failure_of(source, destination, ends);
    }
    return record;
}

}  // namespace multifd::tuning
