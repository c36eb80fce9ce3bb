// The one live line of a migration that runs.
#pragma once

#include <chrono>
#include <deque>
#include <string>

#include "multifd/report.hpp"

namespace multifd {

/// Turns snapshots into "1a2b3c4d active  1.2 GiB  3.4 Gbit/s  2 GiB left  slowest gpu1 41%".
/// Threads:   not thread-safe.
class ProgressLine {
  public:
    using Clock = std::chrono::steady_clock;

    /// The line for `now`, at most `width` bytes: what matters least is left out first. The rate is
    /// that of the last two seconds.
    std::string text(const Statistics& statistics, Clock::time_point now, std::size_t width);

  private:
    struct Sample {
        Clock::time_point time;
        std::uint64_t bytes;
    };
    double rate_mbps(std::uint64_t bytes, Clock::time_point now);

    std::deque<Sample> samples_;  ///< The last two seconds, and one before.
};

/// "gpu1 41%": the device with the smallest part of its expected bytes done, of those that say what
/// they expect and are not done; empty when there is none.
std::string slowest_device(const Statistics& statistics);

}  // namespace multifd
