// Convergence: when pre-copy has done what it can. Sans-I/O.
#pragma once

#include <chrono>
#include <cstdint>

namespace multifd {

/// What is known between two rounds of pre-copy.
struct PreCopyOutlook {
    std::uint64_t left_bytes = 0;  ///< All that would remain to be sent if everything stopped now.
    std::uint64_t reducible_bytes = 0;  ///< The part of it that another round could send.
    double bytes_per_second = 0;        ///< As measured; 0 when nothing has been sent yet.
    std::chrono::milliseconds downtime_limit{0};
    bool initial_data_sent = true;  ///< All devices' initial data has left.
    bool acknowledged = true;  ///< The destination's switchover-ack has come, or none is wanted.
};

/// Whether to switch over now: what is left fits the downtime limit at the measured rate; or
/// another round cannot help, because nothing is reducible, or because what is not reducible alone
/// breaks the limit and the rest has been brought within it.
bool may_switch_over(const PreCopyOutlook& outlook) noexcept;

}  // namespace multifd
