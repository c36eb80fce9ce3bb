// Convergence: when pre-copy has done what it can. Sans-I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace multifd {

/// What would remain to be done if everything stopped now. What has been sent and is not yet known
/// to be loaded remains too: a destination that writes slower than the source sends takes its time
/// over it after the switchover.
struct PreCopyShare {
    std::uint64_t left_bytes = 0;
    std::uint64_t reducible_bytes = 0;  ///< The part of it that needs no stop.
    std::uint64_t sent_bytes = 0;       ///< The part of it that has been sent and is not loaded.
    double bytes_per_second = 0;        ///< As measured; 0 when nothing is known yet.
    std::uint32_t device = 0;           ///< Whose, for a single one's.
};

/// What is known between two rounds of pre-copy, over all devices and the host.
struct PreCopyOutlook : PreCopyShare {
    /// Of single devices, at the rate at which each one's other end takes its data, where that is
    /// known: the slowest may be what the downtime waits for.
    std::vector<PreCopyShare> devices{};
    std::chrono::milliseconds downtime_limit{0};
    /// For what has been sent: the link's rate without the cap on the switchover.
    double sent_bytes_per_second = 0;
    bool initial_data_sent = true;  ///< All devices' initial data has left.
    bool acknowledged = true;  ///< The destination's switchover-ack has come, or none is wanted.
};

/// Whether to switch over now: for the whole and for each device, what is left fits the downtime
/// limit at the measured rate; or another round cannot help, because nothing is reducible, or
/// because what is not reducible alone breaks the limit and the rest has been brought within it.
bool may_switch_over(const PreCopyOutlook& outlook) noexcept;

}  // namespace multifd
