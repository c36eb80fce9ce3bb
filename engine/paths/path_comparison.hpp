// Which network path was clearly slower than the others, from what its channels did.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace multifd {

/// What one channel's sender did over the whole transfer.
struct ChannelEffort {
    std::size_t path = 0;
    std::uint64_t bytes = 0;
    /// With bytes on their way, without the time in which the destination took nothing: that is no
    /// fault of the path.
    std::uint64_t busy_us = 0;
    std::uint64_t send_buffer_limited_us = 0;  ///< Of that.
};

struct SlowPath {
    std::size_t path = 0;
    std::size_t fastest = 0;      ///< The path it is compared with.
    double bytes_per_second = 0;  ///< Of one of its channels, while busy.
    double fastest_per_second = 0;
    bool send_buffer = false;  ///< Held up by the send buffer more than half of the time.
};

/// A path is slow when both its channels on the average and all of them together moved less than
/// half of what those of the fastest path did, while they were busy. Both, because paths may have
/// one channel more than others: then one of the two numbers is halved although nothing is slow.
/// A path that carried under 1 MiB or was busy for under 50 ms in all is not judged: such times are
/// those of a connection's beginning.
[[nodiscard]] std::vector<SlowPath> slow_paths(std::span<const ChannelEffort> channels);

/// Whether a channel is slow beside one of another path by the same measure, as far as both have
/// come. The other one must have waited for its path, or moved 16 MiB, more than a usual send
/// buffer takes: to fill that is fast on the slowest path.
[[nodiscard]] bool is_slow_beside(const ChannelEffort& channel,
                                  const ChannelEffort& other) noexcept;

}  // namespace multifd
