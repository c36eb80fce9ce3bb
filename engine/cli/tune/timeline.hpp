// Timeline: when each device and each channel moved how much, from a run's samples.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace multifd::tuning {

/// One row: bytes per second in each of the buckets.
struct TimelineRow {
    std::string name;
    std::vector<double> rates;
};

struct Timeline {
    double span_us = 0;  ///< From the first to the last bucket's end.
    std::vector<TimelineRow> devices;
    std::vector<TimelineRow> channels;
    /// While the devices are stopped and their state moves, from the start; empty when never seen.
    std::optional<double> stopped_from_us;
    std::optional<double> stopped_to_us;
};

inline constexpr std::size_t kTimelineBuckets = 160;

/// From a document of --samples; empty when it is none, or has no two samples.
std::optional<Timeline> read_timeline(const std::string& samples);

std::string draw(const Timeline& timeline);

}  // namespace multifd::tuning
