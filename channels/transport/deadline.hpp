// Deadline: until when a wait may last, on the clock that never jumps.
#pragma once

#include <chrono>

namespace multifd {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

/// Waits as long as it takes.
inline constexpr Deadline kNoDeadline = Deadline::max();

}  // namespace multifd
