// TransitionTimes: how long a device's transitions took.
#pragma once

#include <chrono>
#include <map>
#include <tuple>
#include <vector>

#include "multifd/conformance.hpp"

namespace multifd {

/// Limits:    keeps every time: eight bytes for each transition made.
/// Threads:   not thread-safe.
class TransitionTimes {
  public:
    void add(Role role, DeviceState from, DeviceState target, std::chrono::microseconds time);
    /// Sorted by role, then by the numbers of the states. p99 is the smallest time that at least 99
    /// of 100 did not exceed, so that of few it is the longest; the median of an even number is the
    /// lower of the two in the middle.
    [[nodiscard]] std::vector<TransitionTime> summary() const;

  private:
    using Key = std::tuple<Role, DeviceState, DeviceState>;
    std::map<Key, std::vector<std::chrono::microseconds>> times_;
};

}  // namespace multifd
