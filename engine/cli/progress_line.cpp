#include "engine/cli/progress_line.hpp"

#include <algorithm>
#include <array>

#include "channels/wire/ids.hpp"
#include "engine/cli/readable.hpp"

namespace multifd {
namespace {

constexpr std::chrono::seconds kRateSpan{2};

}  // namespace

std::string slowest_device(const Statistics& statistics) {
    const DeviceReport* slowest = nullptr;
    double smallest = 1.0;
    for (const DeviceReport& device : statistics.devices) {
        if (device.expected_bytes == 0) continue;
        const double part =
            static_cast<double>(device.bytes) / static_cast<double>(device.expected_bytes);
        if (part >= smallest) continue;
        smallest = part;
        slowest = &device;
    }
    if (slowest == nullptr) return "";
    return to_string(DeviceIdentity{slowest->idstr, slowest->instance_id}) + " " +
           std::to_string(static_cast<int>(smallest * 100.0)) + "%";
}

double ProgressLine::rate_mbps(std::uint64_t bytes, Clock::time_point now) {
    samples_.push_back({now, bytes});
    while (samples_.size() > 2 && now - samples_[1].time >= kRateSpan) samples_.pop_front();
    const Sample& oldest = samples_.front();
    const std::chrono::duration<double> span = now - oldest.time;
    if (span.count() <= 0.0 || bytes < oldest.bytes) return 0.0;
    return static_cast<double>(bytes - oldest.bytes) * 8.0 / 1e6 / span.count();
}

std::string ProgressLine::text(const Statistics& statistics, Clock::time_point now,
                               std::size_t width) {
    const double rate = rate_mbps(statistics.transferred, now);
    const std::string slowest = slowest_device(statistics);
    const std::string session = statistics.session.substr(0, 8);
    std::string remaining;
    if (statistics.remaining != 0) remaining = readable_bytes(statistics.remaining) + " left";
    struct Part {
        std::string text;
        int matters;  ///< The part with the smallest goes first when there is no room.
    };
    std::array parts{
        Part{session, 1},
        Part{std::string(to_string(statistics.status)), 6},
        Part{readable_bytes(statistics.transferred), 5},
        Part{readable_rate(rate), 4},
        Part{remaining, 3},
        Part{slowest.empty() ? "" : "slowest " + slowest, 2},
    };
    for (int least = 1;; ++least) {
        std::string line;
        for (const Part& part : parts) {
            if (part.text.empty() || part.matters < least) continue;
            line += (line.empty() ? "" : "  ") + part.text;
        }
        if (line.size() <= width || least == 6) return line.substr(0, width);
    }
}

}  // namespace multifd
