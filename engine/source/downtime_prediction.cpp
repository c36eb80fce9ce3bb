#include "engine/source/downtime_prediction.hpp"

#include <algorithm>

namespace multifd {
namespace {

using std::chrono::microseconds;

// Loaded, Commit and Running, with what comes before and after them on its way: two round trips.
constexpr int kRoundTrips = 2;
// The source's decision, and the destination's two: that it is loaded, and that it starts.
constexpr int kRecords = 3;

microseconds time_of(double bytes, double bytes_per_second) noexcept {
    if (bytes_per_second <= 0) return microseconds(0);
    // Slower than a year is as good as a year, and fits the clock.
    constexpr double kLongest = 365.0 * 86'400e6;
    const double us = std::min(bytes / bytes_per_second * 1e6, kLongest);
    return microseconds(static_cast<microseconds::rep>(us));
}

}  // namespace

DowntimePrediction predict(const SwitchoverOutlook& outlook) noexcept {
    DowntimePrediction prediction;
    prediction.bytes = outlook.host_bytes;
    const double link = outlook.link_bytes_per_second;
    prediction.main_channel = time_of(static_cast<double>(outlook.host_bytes), link);
    for (const auto& device : outlook.devices) {
        prediction.bytes += device.left_bytes;
        if (device.left_bytes == 0) continue;
        const auto bytes = static_cast<double>(device.left_bytes);
        const auto own = time_of(bytes, device.bytes_per_second);
        prediction.complete = prediction.complete && device.bytes_per_second > 0;
        if (device.multifd) {
            prediction.device = std::max(prediction.device, own);
        } else {
            prediction.main_channel += std::max(own, time_of(bytes, link));
        }
    }
    prediction.complete = prediction.complete && (link > 0 || prediction.bytes == 0);
    prediction.link = time_of(static_cast<double>(prediction.bytes), link);
    prediction.round_trips = kRoundTrips * outlook.round_trip;
    prediction.records = kRecords * outlook.record;
    prediction.total = std::max({prediction.link, prediction.device, prediction.main_channel}) +
                       prediction.round_trips + prediction.records;
    return prediction;
}

}  // namespace multifd
