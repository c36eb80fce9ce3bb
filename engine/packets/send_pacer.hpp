// SendPacer: holds all threads that send to one rate together.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "engine/packets/rate_pacer.hpp"

namespace multifd {

/// A RatePacer with a real clock, shared by everything that sends.
/// Threads:   all members from any thread.
/// Errors:    none; an abort ends all waits.
class SendPacer {
  public:
    /// Unlimited until set_rate(). A wait counts itself in `progress` every `beat`, because what
    /// the user asked to be slow is no standstill, here or at the peer.
    SendPacer(std::atomic<std::uint64_t>& progress, Clock::duration beat) noexcept
        : progress_(progress), beat_(beat) {}
    SendPacer(const SendPacer&) = delete;
    SendPacer& operator=(const SendPacer&) = delete;

    /// Bytes per second from here on; 0 means no limit. Waits that have begun keep their time.
    void set_rate(std::uint64_t bytes_per_second);
    /// Waits until `bytes` more may leave; false once aborted, and then they may not. Without a
    /// limit it returns at once and takes no lock.
    [[nodiscard]] bool take(std::uint64_t bytes);
    /// How much to take and send at once: see RatePacer.
    [[nodiscard]] std::size_t piece_bytes() const noexcept {
        return piece_bytes_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] bool limited() const noexcept { return limited_.load(std::memory_order_relaxed); }
    /// For how long senders have been held back in all, each counted by itself.
    [[nodiscard]] Clock::duration waited() const noexcept {
        return Clock::duration(waited_.load(std::memory_order_relaxed));
    }
    /// Idempotent.
    void abort() noexcept;

  private:
    std::atomic<std::uint64_t>& progress_;
    const Clock::duration beat_;
    // These publish nothing but themselves; a thread that reads an old value is as if it had come
    // a moment earlier.
    std::atomic<bool> limited_ = false;
    std::atomic<std::size_t> piece_bytes_{RatePacer(0).piece_bytes()};
    std::atomic<Clock::rep> waited_ = 0;
    std::mutex mutex_;
    std::condition_variable wake_;
    // Under the mutex.
    RatePacer pacer_{0};
    bool aborted_ = false;
};

}  // namespace multifd
