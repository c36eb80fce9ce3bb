// LineLimit: how many lines a client may cause in the server's log. Sans-I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "channels/transport/deadline.hpp"

namespace multifd::vfio_user {

/// Lets the first kLines lines of each interval through, and counts the others.
/// Threads:   not thread-safe.
class LineLimit {
  public:
    static constexpr unsigned kLines = 50;
    static constexpr std::chrono::seconds kInterval{10};

    /// Whether a line that is due now is to be told.
    bool tells(Clock::time_point now) {
        if (now >= until_) {
            until_ = now + kInterval;
            told_ = 0;
        }
        if (told_ == kLines) {
            ++left_out_;
            return false;
        }
        ++told_;
        return true;
    }
    /// The lines that were not told since the last call.
    std::uint64_t take_left_out() noexcept { return std::exchange(left_out_, 0); }

  private:
    Clock::time_point until_{};
    unsigned told_ = 0;
    std::uint64_t left_out_ = 0;
};

}  // namespace multifd::vfio_user
