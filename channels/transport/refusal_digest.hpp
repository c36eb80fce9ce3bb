// RefusalDigest: how much is said of refused connections when there are many.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "channels/transport/deadline.hpp"
#include "channels/wire/error.hpp"

namespace multifd {

/// Lets the first refusal for each reason through at once; those that follow within the interval
/// are counted, and told as one when it is over. Sans-I/O: the clock is an argument.
/// Limits:    remembers kReasonsMax reasons; refusals for further ones are told one by one.
/// Threads:   not thread-safe.
class RefusalDigest {
  public:
    static constexpr std::size_t kReasonsMax = 16;

    /// Zero tells everything at once.
    explicit RefusalDigest(std::chrono::milliseconds interval) : interval_(interval) {}

    struct Held {
        ErrorCode error;
        std::string last_peer;
        std::uint64_t count = 0;
    };

    /// Whether this refusal is to be told now; otherwise it has been counted.
    bool tells(const ErrorCode& error, std::string_view peer, Clock::time_point now);
    /// When take() should be called; kNoDeadline when nothing was counted.
    [[nodiscard]] Deadline due() const;
    /// What has been counted, once it is due; an interval begins anew for those reasons.
    std::vector<Held> take(Clock::time_point now);

  private:
    struct Reason {
        Held held;
        Clock::time_point until;
    };

    [[nodiscard]] Clock::time_point an_interval_after(Clock::time_point now) const;

    const std::chrono::milliseconds interval_;
    std::vector<Reason> reasons_;
};

}  // namespace multifd
