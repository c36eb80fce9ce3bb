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
    prediction.complete = std::ranges::all_of(outlook.devices, [](const DeviceOutlook& device) {
        return device.left_bytes + device.sent_bytes == 0 || device.bytes_per_second > 0;
    });
    const bool usable = prediction.complete || !outlook.link_held;
    const double link = usable ? outlook.link_bytes_per_second : 0;
    std::uint64_t unsent = outlook.host_bytes;
    prediction.main_channel = time_of(static_cast<double>(outlook.host_bytes), link);
    for (const auto& device : outlook.devices) {
        unsent += device.left_bytes;
        const auto bytes = static_cast<double>(device.left_bytes);
        const auto own =
            time_of(bytes + static_cast<double>(device.sent_bytes), device.bytes_per_second);
        if (device.multifd) {
            prediction.device = std::max(prediction.device, own);
        } else {
            prediction.main_channel += std::max(own, time_of(bytes, link));
        }
    }
    prediction.bytes = unsent + outlook.sent_bytes;
    prediction.complete = prediction.complete && (link > 0 || unsent == 0);
    prediction.link =
        time_of(static_cast<double>(unsent), link) +
        time_of(static_cast<double>(outlook.sent_bytes), outlook.sent_bytes_per_second);
    prediction.round_trips = kRoundTrips * outlook.round_trip;
    prediction.records = kRecords * outlook.record;
    const auto largest = std::max({prediction.link, prediction.device, prediction.main_channel});
    prediction.link_held = outlook.link_held && link > 0 && largest > prediction.device;
    prediction.total = largest + prediction.round_trips + prediction.records;
    return prediction;
}

}  // namespace multifd
