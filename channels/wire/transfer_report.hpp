// TransferReport: what the transfer of device state took at the destination, for the source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "channels/wire/error.hpp"

namespace multifd {

/// Of one migration. Times are spans of the destination's own clock, in microseconds.
/// Limits:    those below, of times, processors and bytes; encode() tells a larger number as the
///            largest.
struct TransferReport {
    std::uint64_t us = 0;       ///< From SWITCHOVER_START read to the last byte loaded.
    std::uint64_t user_us = 0;  ///< Processor time of the whole process meanwhile, as the next.
    std::uint64_t system_us = 0;
    std::uint64_t processors = 1;  ///< That the process may use; at least 1.
    std::uint64_t peak_queued_bytes = 0;
    std::uint64_t channel_cpu_us = 0;  ///< Processor time of the busiest channel's thread.
    // What goes on at the same time: the busiest channel, the slowest device.
    std::uint64_t receive_us = 0;
    std::uint64_t reorder_wait_us = 0;
    std::uint64_t write_us = 0;
    std::uint64_t config_us = 0;
    std::uint64_t validate_us = 0;  ///< From the last byte loaded until all devices accept it.

    bool operator==(const TransferReport&) const = default;
};
inline constexpr std::size_t kTransferReportBytesMax = 1024;
/// 1000 days: the processor time of a day's transfer on a thousand processors.
inline constexpr std::uint64_t kReportedUsMax = 1000ULL * 24 * 3600 * 1'000'000;
inline constexpr std::uint64_t kReportedProcessorsMax = 65536;
inline constexpr std::uint64_t kReportedBytesMax = 1ULL << 60U;

/// At least one processor (asserted).
std::vector<std::byte> encode(const TransferReport& report);
/// Unknown keys are ignored; every known one must be there, within its limit.
/// Errors:    message_malformed.
Result<TransferReport> decode_transfer_report(std::span<const std::byte> source);

}  // namespace multifd
