#include "engine/devices/device_clock.hpp"

#include <algorithm>

namespace multifd {

DeviceClock::TimePoint SteadyDeviceClock::now() {
    return std::chrono::steady_clock::now();
}

bool SteadyDeviceClock::wait_until(TimePoint deadline) {
    std::unique_lock lock(mutex_);
    if (deadline == TimePoint::max()) {
        // Not wait_until(): converting the largest time point to a timespec may overflow.
        wake_.wait(lock, [this] { return interrupted_; });
        return false;
    }
    return !wake_.wait_until(lock, deadline, [this] { return interrupted_; });
}

bool SteadyDeviceClock::interrupted() {
    const std::lock_guard lock(mutex_);
    return interrupted_;
}

void SteadyDeviceClock::interrupt() noexcept {
    {
        const std::lock_guard lock(mutex_);
        interrupted_ = true;
    }
    wake_.notify_all();
}

void SteadyDeviceClock::clear_interrupt() {
    const std::lock_guard lock(mutex_);
    interrupted_ = false;
}

bool RateLimit::take(std::uint64_t bytes) {
    using std::chrono::milliseconds;
    constexpr milliseconds kAheadMax{2};
    constexpr milliseconds kCatchUpMax{5};
    if (bytes_per_second_ == 0) return true;
    const auto now = clock_.now();
    const auto duration = std::chrono::duration<double>(static_cast<double>(bytes) /
                                                        static_cast<double>(bytes_per_second_));
    // A rate so small that its wait does not fit a clock is as good as a year.
    const auto bounded = std::min(duration, std::chrono::duration<double>(365.0 * 86'400.0));
    const auto due = std::max(ready_, now - kCatchUpMax) +
                     std::chrono::duration_cast<DeviceClock::TimePoint::duration>(bounded);
    if (due - now > kAheadMax && !clock_.wait_until(due)) return false;
    ready_ = due;
    return true;
}

std::uint64_t RateLimit::portion(std::uint64_t bytes) const noexcept {
    constexpr std::uint64_t kPortionsPerSecond = 20;
    constexpr std::uint64_t kSmallest = 4096;
    if (bytes_per_second_ == 0) return bytes;
    return std::min(bytes, std::max(kSmallest, bytes_per_second_ / kPortionsPerSecond));
}

}  // namespace multifd
