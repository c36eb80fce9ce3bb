// The time by which a synthetic device moves, and its limit on bytes per second.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace multifd {

/// A monotonic clock whose waits can be ended from another thread. Tests put their own in its
/// place.
/// Threads:   interrupt() from any thread; everything else from the device's thread.
class DeviceClock {
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    virtual ~DeviceClock() = default;
    [[nodiscard]] virtual TimePoint now() = 0;
    /// True when `deadline` has come, false when interrupt() was called, before or during the wait.
    [[nodiscard]] virtual bool wait_until(TimePoint deadline) = 0;
    [[nodiscard]] virtual bool interrupted() = 0;
    /// Sticky until clear_interrupt().
    virtual void interrupt() noexcept = 0;
    virtual void clear_interrupt() = 0;
};

/// std::chrono::steady_clock.
class SteadyDeviceClock : public DeviceClock {
  public:
    [[nodiscard]] TimePoint now() override;
    [[nodiscard]] bool wait_until(TimePoint deadline) override;
    [[nodiscard]] bool interrupted() override;
    void interrupt() noexcept override;
    void clear_interrupt() override;

  private:
    std::mutex mutex_;
    std::condition_variable wake_;
    bool interrupted_ = false;  ///< Under mutex_.
};

/// Holds a stream of bytes to a rate.
/// Limits:    may run ahead by 2 ms, because shorter waits cost more than they regulate, and catch
///            up 5 ms of late wake-ups, but never what was left unused in idle time.
class RateLimit {
  public:
    /// `bytes_per_second` 0 means no limit. `clock` outlives this object.
    RateLimit(std::uint64_t bytes_per_second, DeviceClock& clock) noexcept
        : bytes_per_second_(bytes_per_second), clock_(clock) {}

    /// Returns when `bytes` more may have passed; false when the clock was interrupted, and then
    /// they have not been counted.
    [[nodiscard]] bool take(std::uint64_t bytes);

    /// How many of `bytes` to move in one call, so that no call waits much longer than 50 ms.
    [[nodiscard]] std::uint64_t portion(std::uint64_t bytes) const noexcept;

  private:
    std::uint64_t bytes_per_second_;
    DeviceClock& clock_;
    DeviceClock::TimePoint ready_{};  ///< When all that was taken may have passed.
};

}  // namespace multifd
