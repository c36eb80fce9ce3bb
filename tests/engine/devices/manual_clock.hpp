// A device clock that tests move: waits take no time.
#pragma once

#include <algorithm>
#include <chrono>

#include "engine/devices/device_clock.hpp"

namespace multifd::test {

class ManualClock : public DeviceClock {
  public:
    [[nodiscard]] TimePoint now() override { return now_; }
    [[nodiscard]] bool wait_until(TimePoint deadline) override {
        ++waits_;
        if (interrupt_wait_ != 0 && waits_ == interrupt_wait_) interrupted_ = true;
        if (interrupted_) return false;
        longest_ = std::max(longest_, deadline - now_);
        now_ = std::max(now_, deadline);
        return true;
    }
    [[nodiscard]] bool interrupted() override { return interrupted_; }
    void interrupt() noexcept override { interrupted_ = true; }
    void clear_interrupt() override { interrupted_ = false; }

    void pass(std::chrono::nanoseconds time) { now_ += time; }
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(now_ - TimePoint{}).count();
    }
    [[nodiscard]] int waits() const { return waits_; }
    [[nodiscard]] std::chrono::nanoseconds longest_wait() const { return longest_; }
    /// The wait of that number, counted from 1, is interrupted while it lasts.
    void interrupt_wait(int number) { interrupt_wait_ = number; }

  private:
    TimePoint now_{};
    bool interrupted_ = false;
    int waits_ = 0;
    int interrupt_wait_ = 0;
    std::chrono::nanoseconds longest_{0};
};

}  // namespace multifd::test
