#include "engine/packets/rate_pacer.hpp"

#include <algorithm>
#include <limits>

#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

// A rate so small that its wait does not fit a clock is as good as a year.
constexpr std::chrono::duration<double> kLongest = std::chrono::hours(24 * 365);

}  // namespace

Clock::time_point RatePacer::reserve(std::uint64_t bytes, Clock::time_point now) noexcept {
    if (bytes_per_second_ == 0) return now;
    const std::chrono::duration<double> seconds(static_cast<double>(bytes) /
                                                static_cast<double>(bytes_per_second_));
    const auto due = std::max(next_, now - kCatchUp);
    next_ = std::min(due, now + std::chrono::duration_cast<Clock::duration>(kLongest)) +
            std::chrono::duration_cast<Clock::duration>(std::min(seconds, kLongest));
    return due - now <= kAhead ? now : due;
}

std::size_t RatePacer::piece_bytes() const noexcept {
    if (bytes_per_second_ == 0) return std::numeric_limits<std::size_t>::max();
    const auto share = bytes_per_second_ / kPiecesPerSecond;
    return std::max<std::size_t>(kPieceBytesMin, share / limits::kPageBytes * limits::kPageBytes);
}

}  // namespace multifd
