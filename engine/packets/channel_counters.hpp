// ChannelCounters: what one channel has carried; read at any time, written by its thread only.
#pragma once

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "channels/transport/deadline.hpp"

namespace multifd {

/// A number with one writer and any readers. Nothing is published by it but itself.
class Counter {
  public:
    void add(std::uint64_t amount) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t value() const noexcept {
        return value_.load(std::memory_order_relaxed);
    }

  private:
    std::atomic<std::uint64_t> value_ = 0;
};

/// Time spent in one activity by one thread, in nanoseconds of its own clock.
class TimeCounter {
  public:
    /// Adds the time until the guard ends.
    class Guard {
      public:
        explicit Guard(TimeCounter& counter) noexcept : counter_(counter), since_(Clock::now()) {}
        ~Guard() {
            counter_.nanoseconds_.add(static_cast<std::uint64_t>((Clock::now() - since_).count()));
        }
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;

      private:
        TimeCounter& counter_;
        Clock::time_point since_;
    };
    [[nodiscard]] Guard measure() noexcept { return Guard(*this); }
    void add(Clock::duration time) noexcept {
        nanoseconds_.add(static_cast<std::uint64_t>(std::max<Clock::rep>(time.count(), 0)));
    }
    [[nodiscard]] std::uint64_t us() const noexcept { return nanoseconds_.value() / 1000; }

  private:
    Counter nanoseconds_;
};

/// Own cache line each, so that channels do not slow each other by counting.
struct alignas(64) ChannelCounters {
    Counter packets;
    Counter bytes;       ///< All bytes of the channel, headers included.
    Counter raw_bytes;   ///< What its packets' data stand for, before encoding.
    TimeCounter moving;  ///< In send calls, or in receive calls for payloads.
    Counter cpu_ns;      ///< Processor time of the channel's thread; counted when that ends.
    TimeCounter coding;  ///< Compressing or decompressing.
};

/// Processor time the calling thread has used so far.
inline std::uint64_t thread_cpu_ns() noexcept {
    timespec time{};
    if (::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) != 0) return 0;
    constexpr std::uint64_t kSecond = 1'000'000'000;
    return static_cast<std::uint64_t>(time.tv_sec) * kSecond +
           static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace multifd
