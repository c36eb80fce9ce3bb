#include "channels/transport/refusal_digest.hpp"

#include <algorithm>
#include <utility>

namespace multifd {

// The end of time, at which all that is left is taken, has nothing after it.
Clock::time_point RefusalDigest::an_interval_after(Clock::time_point now) const {
    return now > Clock::time_point::max() - interval_ ? Clock::time_point::max() : now + interval_;
}

bool RefusalDigest::tells(const ErrorCode& error, std::string_view peer, Clock::time_point now) {
    if (interval_.count() == 0) return true;
    const auto found = std::ranges::find_if(
        reasons_, [&](const Reason& reason) { return reason.held.error == error; });
    if (found == reasons_.end()) {
        if (reasons_.size() < kReasonsMax)
            reasons_.push_back({{error, {}, 0}, an_interval_after(now)});
        return true;
    }
    if (found->held.count == 0 && now >= found->until) {
        found->until = an_interval_after(now);
        return true;
    }
    found->held.last_peer = peer;
    ++found->held.count;
    return false;
}

Deadline RefusalDigest::due() const {
    Deadline earliest = kNoDeadline;
    for (const Reason& reason : reasons_) {
        if (reason.held.count > 0) earliest = std::min<Deadline>(earliest, reason.until);
    }
    return earliest;
}

std::vector<RefusalDigest::Held> RefusalDigest::take(Clock::time_point now) {
    std::vector<Held> all;
    for (Reason& reason : reasons_) {
        if (reason.held.count == 0 || now < reason.until) continue;
        all.push_back(reason.held);
        reason.held.count = 0;
        reason.until = an_interval_after(now);
    }
    return all;
}

}  // namespace multifd
