#include "engine/paths/path_comparison.hpp"

#include <algorithm>

namespace multifd {
namespace {

constexpr std::uint64_t kBytesMin = 1U << 20U;
constexpr std::uint64_t kBusyMin = 50'000;
/// More than a send buffer takes by Linux's default (4 MiB) or some tuned ones: some has left.
constexpr std::uint64_t kBytesBeyondBuffers = 16U << 20U;
/// The kernel counts busy time in ticks of up to 10 ms; less than one is no reason to divide by 0.
constexpr double kTickSeconds = 0.01;
constexpr double kSlowShare = 0.5;

double rate_of(std::uint64_t bytes, std::uint64_t busy_us) {
    const double seconds = static_cast<double>(busy_us) / 1e6;
    return static_cast<double>(bytes) / std::max(seconds, kTickSeconds);
}

struct PathEffort {
    std::size_t path = 0;
    std::uint64_t bytes = 0;
    std::uint64_t busy_us = 0;
    std::uint64_t send_buffer_limited_us = 0;
    std::size_t channels = 0;

    [[nodiscard]] double per_channel() const { return rate_of(bytes, busy_us); }
    [[nodiscard]] double together() const { return per_channel() * static_cast<double>(channels); }
};

std::vector<PathEffort> by_path(std::span<const ChannelEffort> channels) {
    std::vector<PathEffort> paths;
    for (const auto& channel : channels) {
        auto found = std::ranges::find(paths, channel.path, &PathEffort::path);
        if (found == paths.end()) {
            paths.push_back({.path = channel.path});
            found = paths.end() - 1;
        }
        found->bytes += channel.bytes;
        found->busy_us += channel.busy_us;
        found->send_buffer_limited_us += channel.send_buffer_limited_us;
        ++found->channels;
    }
    std::erase_if(paths, [](const PathEffort& path) { return path.bytes < kBytesMin; });
    return paths;
}

}  // namespace

std::vector<SlowPath> slow_paths(std::span<const ChannelEffort> channels) {
    const auto paths = by_path(channels);
    std::vector<SlowPath> slow;
    if (paths.size() < 2) return slow;
    const auto fastest = *std::ranges::max_element(paths, {}, &PathEffort::together);
    for (const auto& path : paths) {
        if (path.busy_us < kBusyMin) continue;
        if (path.together() >= kSlowShare * fastest.together()) continue;
        if (path.per_channel() >= kSlowShare * fastest.per_channel()) continue;
        slow.push_back({.path = path.path,
                        .fastest = fastest.path,
                        .bytes_per_second = path.per_channel(),
                        .fastest_per_second = fastest.per_channel(),
                        .send_buffer = 2 * path.send_buffer_limited_us > path.busy_us});
    }
    return slow;
}

bool is_slow_beside(const ChannelEffort& channel, const ChannelEffort& other) noexcept {
    if (channel.path == other.path || channel.busy_us < kBusyMin) return false;
    if (std::min(channel.bytes, other.bytes) < kBytesMin) return false;
    if (other.busy_us < kBusyMin && other.bytes < kBytesBeyondBuffers) return false;
    return rate_of(channel.bytes, channel.busy_us) <
           kSlowShare * rate_of(other.bytes, other.busy_us);
}

}  // namespace multifd
