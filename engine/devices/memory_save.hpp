// What a memory device gives when its state is read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/devices/dirty_ring.hpp"
#include "engine/devices/memory_records.hpp"
#include "engine/devices/state_content.hpp"
#include "multifd/device.hpp"

namespace multifd {

/// The state as it is: byte n of the stream is byte n of the state.
class PlainSave {
  public:
    /// `held` is the state, when it stands in memory, or empty. Both outlive this object.
    PlainSave(const StateContent& content, std::uint64_t state_bytes,
              std::span<const std::byte> held) noexcept
        : content_(content), state_bytes_(state_bytes), held_(held) {}

    /// Fills `target` as far as there is state; 0 is the end.
    [[nodiscard]] std::size_t read(std::span<std::byte> target) noexcept;
    [[nodiscard]] std::uint64_t remaining() const noexcept { return state_bytes_ - position_; }

  private:
    const StateContent& content_;
    std::uint64_t state_bytes_;
    std::span<const std::byte> held_;
    std::uint64_t position_ = 0;
};

/// The state as records of pages, each page again after every time that it was written. The pages
/// still to be sent are always those of the writes from a cursor on, because they are sent in the
/// order in which the device writes them; so nothing is kept per page.
/// Ownership: `content` and `ring` outlive this object; the device goes on writing to `ring`.
class RecordSave {
  public:
    RecordSave(const StateContent& content, const DirtyRing& ring) noexcept;

    /// Fills `target` as far as there is something to send; with `stopped` the closing record
    /// follows the last page.
    [[nodiscard]] std::size_t read(std::span<std::byte> target, bool stopped) noexcept;

    /// What read() would give until it has nothing, if the device wrote no more.
    [[nodiscard]] PreCopySizes sizes() const noexcept;
    /// The same with the closing record.
    [[nodiscard]] std::uint64_t remaining() const noexcept;

  private:
    /// Where the next page to be sent stands: never before the oldest write that still counts.
    [[nodiscard]] std::uint64_t cursor() const noexcept;
    /// Bytes of the records for writes [first, last).
    [[nodiscard]] std::uint64_t bytes_of(std::uint64_t first, std::uint64_t last) const noexcept;
    /// False when there is nothing to send now.
    bool begin_record(bool stopped) noexcept;

    const StateContent& content_;
    const DirtyRing& ring_;
    std::uint64_t cursor_;
    std::uint64_t initial_end_;  ///< The write behind the initial data.
    std::uint64_t sequence_ = 0;
    bool closed_ = false;
    // The record being sent.
    MemoryRecordBytes head_{};
    std::size_t head_left_ = 0;
    PageRun run_;  ///< What of its pages has not been sent.
};

}  // namespace multifd
