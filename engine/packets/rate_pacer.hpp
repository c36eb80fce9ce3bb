// RatePacer: when the next bytes may leave, so that a rate is held. Sans-I/O: the clock is an
// argument.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "channels/transport/deadline.hpp"

namespace multifd {

/// Gives each piece of a stream, whoever sends it, a time of its own, one after the other.
/// Limits:    in any span of time at most the rate's share leaves, and what kCatchUp, kAhead and
///            one piece of piece_bytes() amount to: 1.7% of one second from 400 KiB/s up. What idle
///            time left unused is not saved up.
/// Threads:   not thread-safe; SendPacer shares one.
class RatePacer {
  public:
    /// A wake-up may be late by so much without loss of rate.
    static constexpr std::chrono::milliseconds kCatchUp{5};
    /// Shorter waits cost more than they regulate.
    static constexpr std::chrono::milliseconds kAhead{2};
    static constexpr std::uint64_t kPiecesPerSecond = 100;
    static constexpr std::size_t kPieceBytesMin = 4096;

    /// 0 means no limit.
    explicit RatePacer(std::uint64_t bytes_per_second) noexcept
        : bytes_per_second_(bytes_per_second) {}

    /// `bytes` more are to leave: when they may. Not later than `now` means at once.
    [[nodiscard]] Clock::time_point reserve(std::uint64_t bytes, Clock::time_point now) noexcept;
    /// So much at once keeps the rate smooth: whole pages, and no bound without a limit.
    [[nodiscard]] std::size_t piece_bytes() const noexcept;

  private:
    std::uint64_t bytes_per_second_;
    Clock::time_point next_{};  ///< When all that was reserved has left at the rate.
};

}  // namespace multifd
