// The one live line of a migration that runs.
#pragma once

#include <chrono>
#include <deque>
#include <string>
#include <vector>

#include "multifd/report.hpp"

namespace multifd {

/// Turns snapshots into "1a2b3c4d active 1.2 GiB 3.4 Gbit/s 2 GiB left slowest gpu1 41%".
/// Threads:   not thread-safe.
class ProgressLine {
  public:
    using Clock = std::chrono::steady_clock;

    /// The line for `now`, at most `width` bytes: what matters least is left out first. The rate is
    /// that of the last two seconds, at first that since the start.
    std::string text(const Statistics& statistics, Clock::time_point now, std::size_t width);

    /// The same for a log line, which says session and phase by itself.
    std::string log_text(const Statistics& statistics, Clock::time_point now);

  private:
    struct Sample {
        Clock::time_point time;
        std::uint64_t bytes;
    };
    struct Part {
        std::string text;
        int matters;  ///< The part with the smallest goes first when there is no room.
    };
    std::vector<Part> numbers(const Statistics& statistics, Clock::time_point now);
    double rate_mbps(const Statistics& statistics, Clock::time_point now);

    std::deque<Sample> samples_;  ///< The last two seconds, and one before.
};

/// "gpu1 41%": the device with the smallest part of its expected bytes done, of those that say what
/// they expect and are not done; empty when there is none.
std::string slowest_device(const Statistics& statistics);

}  // namespace multifd
