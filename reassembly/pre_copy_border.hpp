// Which of a device's packets are pre-copy data: those below one idx, and no other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace multifd {

/// Learns where the border is from the packets as they come, in any order, until it is told.
/// Everything below `floor_` is pre-copy data, nothing from `ceiling_` on; between them is what no
/// packet has shown yet. A device without pre-copy on the channels has its border at 0.
/// Threads:   not thread-safe; Reassembly calls it under the session's lock.
class PreCopyBorder {
  public:
    /// Pre-copy packets may come. Before any packet has shown itself.
    void open() noexcept { ceiling_ = std::numeric_limits<std::uint64_t>::max(); }
    /// The border is `next_idx`. False, and no change, when a packet has shown another.
    [[nodiscard]] bool close(std::uint32_t next_idx) noexcept {
        if (next_idx < floor_ || next_idx > ceiling_) return false;
        floor_ = ceiling_ = next_idx;
        return true;
    }

    /// Whether a packet of this kind may have this idx, after all that have been shown.
    [[nodiscard]] bool allows(std::uint32_t idx, bool pre_copy) const noexcept {
        return pre_copy ? idx < ceiling_ : idx >= floor_;
    }
    /// A packet that allows() let pass.
    void show(std::uint32_t idx, bool pre_copy) noexcept {
        if (pre_copy) {
            floor_ = std::max(floor_, std::uint64_t{idx} + 1);
        } else {
            ceiling_ = std::min(ceiling_, std::uint64_t{idx});
        }
    }

  private:
    std::uint64_t floor_ = 0;
    std::uint64_t ceiling_ = 0;
};

}  // namespace multifd
