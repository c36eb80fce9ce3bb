#include "engine/conformance/transition_times.hpp"

#include <algorithm>

namespace multifd {
namespace {

/// Of sorted, not empty times.
std::chrono::microseconds percentile(const std::vector<std::chrono::microseconds>& times,
                                     std::size_t percent) {
    return times[(times.size() * percent + 99) / 100 - 1];
}

}  // namespace

void TransitionTimes::add(Role role, DeviceState from, DeviceState target,
                          std::chrono::microseconds time) {
    times_[{role, from, target}].push_back(time);
}

std::vector<TransitionTime> TransitionTimes::summary() const {
    std::vector<TransitionTime> all;
    for (const auto& [key, taken] : times_) {
        auto sorted = taken;
        std::ranges::sort(sorted);
        const auto [role, from, target] = key;
        all.push_back({role, from, target, sorted.size(), percentile(sorted, 50),
                       percentile(sorted, 99), sorted.back()});
    }
    return all;
}

}  // namespace multifd
