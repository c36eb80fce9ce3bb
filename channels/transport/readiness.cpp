#include "channels/transport/readiness.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

#include "channels/transport/system_error.hpp"

namespace multifd {
namespace {

/// poll()'s timeout until `deadline`: rounded up, so that it never wakes just before it.
int poll_timeout(Deadline deadline) {
    if (deadline == kNoDeadline) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    using Milliseconds = decltype(left);
    return static_cast<int>(
        std::clamp<Milliseconds>(left, 0, Milliseconds{std::numeric_limits<int>::max()}));
}

}  // namespace

ErrorCode wait_until_ready(int fd, short events, Deadline deadline, const Interrupt* interrupt) {
    // poll() skips a negative descriptor, which stands for no interrupt.
    std::array<pollfd, 2> watched{
        {{fd, events, 0}, {interrupt != nullptr ? interrupt->fd() : -1, POLLIN, 0}}};
    while (true) {
        const int count = ::poll(watched.data(), watched.size(), poll_timeout(deadline));
        if (count < 0 && errno != EINTR) return last_system_error();
        if (count < 0) continue;
        if (watched[1].revents != 0) return Errc::cancelled;
        if (deadline != kNoDeadline && Clock::now() >= deadline) return Errc::phase_timeout;
        if (watched[0].revents != 0) return {};
    }
}

ErrorCode as_connect_timeout(const ErrorCode& error) noexcept {
    return error == Errc::phase_timeout ? ErrorCode(Errc::connect_timeout) : error;
}

}  // namespace multifd
