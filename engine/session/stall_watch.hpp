// StallWatch: notices when nothing has moved for too long. Sans-I/O: the clock is an argument.
#pragma once

#include <cstdint>

#include "channels/transport/deadline.hpp"

namespace multifd {

/// Compares a progress number from tick to tick.
/// Threads:   not thread-safe; the control thread owns it.
class StallWatch {
  public:
    StallWatch(Clock::duration limit, Clock::time_point now) : limit_(limit), moved_at_(now) {}

    /// `watching` false means that nothing has to move now (a host may wait): the time starts anew.
    /// Returns whether the limit has passed without progress.
    bool stalled(Clock::time_point now, std::uint64_t progress, bool watching) noexcept {
        if (!watching || progress != progress_) {
            progress_ = progress;
            moved_at_ = now;
        }
        return now - moved_at_ >= limit_;
    }
    /// This process itself was stopped: what it missed is not the peer's fault.
    void restart(Clock::time_point now) noexcept { moved_at_ = now; }

  private:
    Clock::duration limit_;
    Clock::time_point moved_at_;
    std::uint64_t progress_ = 0;
};

}  // namespace multifd
