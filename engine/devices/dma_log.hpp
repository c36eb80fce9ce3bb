// What a synthetic device remembers of the memory it wrote, as VFIO's DMA logging tells it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "multifd/device.hpp"

namespace multifd {

/// A bit for each kDmaPageBytes of the device's memory, which begins at I/O address 0.
/// Limits:    a bit per page of the memory; nothing while it is stopped.
/// Threads:   not thread-safe.
class DmaLog {
  public:
    /// The finest page that can be told: every page_size of a user is a multiple of it.
    static constexpr std::uint64_t kPageBytes = 4096;

    /// Refuses a page size that is no power of two or below kPageBytes, no or overlapping ranges,
    /// and a log that is on already. Ranges may reach beyond the memory: nothing is written there.
    CallResult start(std::uint64_t memory_bytes, std::uint64_t page_size,
                     std::span<const DmaRange> ranges);
    /// The device wrote `bytes` from `offset` on; what lies outside all ranges is not remembered.
    void note(std::uint64_t offset, std::uint64_t bytes) noexcept;
    /// As Device::report_dma_logging(). Refuses a range outside those of start(), and a bitmap that
    /// is too short for it.
    CallResult report(DmaRange range, std::uint64_t page_size, std::span<std::uint64_t> bitmap);
    /// Refuses a log that is off.
    CallResult stop();
    [[nodiscard]] bool on() const noexcept { return !ranges_.empty(); }

  private:
    [[nodiscard]] bool logged(DmaRange part) const noexcept;

    std::vector<DmaRange> ranges_;
    std::vector<bool> written_;
};

}  // namespace multifd
