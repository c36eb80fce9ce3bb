#include "engine/cli/progress_line.hpp"

#include <algorithm>

#include "channels/wire/ids.hpp"
#include "engine/cli/readable.hpp"

namespace multifd {
namespace {

constexpr std::chrono::seconds kRateSpan{2};
constexpr int kMattersMost = 6;

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

double ProgressLine::rate_mbps(const Statistics& statistics, Clock::time_point now) {
    const std::uint64_t bytes = statistics.transferred;
    if (samples_.empty()) {
        samples_.push_back({now - std::chrono::milliseconds(statistics.elapsed_ms), 0});
    }
    samples_.push_back({now, bytes});
    while (samples_.size() > 2 && now - samples_[1].time >= kRateSpan) samples_.pop_front();
    const Sample& oldest = samples_.front();
    const std::chrono::duration<double> span = now - oldest.time;
    if (span.count() <= 0.0 || bytes < oldest.bytes) return 0.0;
    return static_cast<double>(bytes - oldest.bytes) * 8.0 / 1e6 / span.count();
}

std::vector<ProgressLine::Part> ProgressLine::numbers(const Statistics& statistics,
                                                      Clock::time_point now) {
    std::vector<Part> parts{{readable_bytes(statistics.transferred), 5},
                            {readable_rate(rate_mbps(statistics, now)), 4}};
    // The rate of what need not move would only look like a fault.
    if (!statistics.waits_for.empty()) {
        parts[1].text = "waiting for " + std::string(statistics.waits_for);
    }
    if (statistics.remaining != 0) {
        parts.push_back({readable_bytes(statistics.remaining) + " left", 3});
    }
    const std::string slowest = slowest_device(statistics);
    if (!slowest.empty()) parts.push_back({"slowest " + slowest, 2});
    return parts;
}

std::string ProgressLine::text(const Statistics& statistics, Clock::time_point now,
                               std::size_t width) {
    std::vector<Part> parts{{statistics.session.substr(0, 8), 1},
                            {std::string(to_string(statistics.status)), kMattersMost}};
    for (Part& part : numbers(statistics, now)) parts.push_back(std::move(part));
    for (int least = 1;; ++least) {
        std::string line;
        for (const Part& part : parts) {
            if (part.text.empty() || part.matters < least) continue;
            line += (line.empty() ? "" : "  ") + part.text;
        }
        if (line.size() <= width || least == kMattersMost) return line.substr(0, width);
    }
}

std::string ProgressLine::log_text(const Statistics& statistics, Clock::time_point now) {
    std::string line;
    for (const Part& part : numbers(statistics, now)) {
        line += (line.empty() ? "" : ", ") + part.text;
    }
    return line;
}

}  // namespace multifd
