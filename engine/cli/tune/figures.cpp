#include "engine/cli/tune/figures.hpp"

#include <algorithm>

#include "engine/cli/tune/spread.hpp"

namespace multifd::tuning {
namespace {

constexpr std::array<std::string_view, kFigures> kNames{"downtime-us",
                                                        "transfer-us",
                                                        "rate-bytes-per-second",
                                                        "cpu-s-per-gb",
                                                        "source-cpu-us",
                                                        "destination-cpu-us",
                                                        "destination-transfer-us",
                                                        "destination-cores",
                                                        "total-us",
                                                        "state-bytes",
                                                        "wire-bytes",
                                                        "peak-queued-bytes",
                                                        "queued-bytes-max",
                                                        "stop-us",
                                                        "state-us",
                                                        "load-us",
                                                        "validate-us",
                                                        "verify-us",
                                                        "commit-us",
                                                        "read-us",
                                                        "queue-us",
                                                        "config-us",
                                                        "send-us",
                                                        "sender-cpu-us",
                                                        "receive-us",
                                                        "receiver-cpu-us",
                                                        "reorder-wait-us",
                                                        "write-us"};

constexpr std::array kParts{Figure::stop,     Figure::state,  Figure::load,
                            Figure::validate, Figure::verify, Figure::commit};

constexpr double kMicroseconds = 1e6;
constexpr double kGigabyte = 1e9;

}  // namespace

std::string_view name_of(Figure figure) noexcept {
    return kNames[static_cast<std::size_t>(figure)];
}

void derive(Figures& figures) {
    double downtime = 0;
    for (const Figure part : kParts) downtime += figures.value_or_zero(part);
    figures.set(Figure::downtime, downtime);
    const double transfer =
        figures.value_or_zero(Figure::state) + figures.value_or_zero(Figure::load);
    const double bytes = figures.value_or_zero(Figure::state_bytes);
    figures.set(Figure::transfer, transfer);
    if (transfer > 0) figures.set(Figure::rate, bytes / transfer * kMicroseconds);
    if (bytes <= 0 || !figures.get(Figure::source_cpu)) return;
    const double cpu =
        figures.value_or_zero(Figure::source_cpu) + figures.value_or_zero(Figure::destination_cpu);
    figures.set(Figure::cpu_per_gigabyte, cpu / kMicroseconds / (bytes / kGigabyte));
}

Figures medians(const std::vector<Figures>& runs) {
    Figures result;
    for (std::size_t index = 0; index < kFigures; ++index) {
        const auto figure = static_cast<Figure>(index);
        std::vector<double> values;
        for (const Figures& run : runs) {
            if (const auto value = run.get(figure)) values.push_back(*value);
        }
        if (!values.empty()) result.set(figure, spread_of(std::move(values)).median);
    }
    return result;
}

}  // namespace multifd::tuning
