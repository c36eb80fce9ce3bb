// One device's packets in order: what has been seen, what is held, what its load thread writes
// next.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "channels/wire/error.hpp"

namespace multifd {

/// A ring of `window` slots; slot idx % window belongs to idx for next <= idx < next + window.
/// Limits:    holds at most `window` packets; a farther idx must wait.
/// Threads:   received() and next() as they say; everything else under the session's lock.
/// Errors:    judge() says what a sender did wrong; everything else asserts what it accepted.
///
///     slot:  empty --claim()--> claimed --received()--> received --loaded()--> empty
class alignas(64) DeviceOrder {  // A cache line of its own: load threads poll next_idx_ and a slot.
  public:
    /// A packet that waits for its load thread.
    struct Held {
        std::uint32_t buffer = 0;
        std::uint32_t bytes = 0;
        bool config = false;
        bool pre_copy = false;
        std::uint64_t hash = 0;  ///< From received() on.
    };

    /// Allocates the ring; nothing allocates afterwards.
    explicit DeviceOrder(std::uint32_t window, std::uint32_t first_idx = 0);

    /// idx_duplicate (loaded or held), config_duplicate, data_after_config or
    /// config_below_received, judged against everything shown so far; no error when the packet may
    /// come.
    [[nodiscard]] ErrorCode judge(std::uint32_t idx, bool config) const noexcept;
    /// A packet that judge() let pass has shown itself, whether or not there is room for it.
    void show(std::uint32_t idx, bool config) noexcept;
    [[nodiscard]] bool shown() const noexcept { return shown_end_ != first_idx_; }
    /// Whether the ring has a slot for `idx`.
    [[nodiscard]] bool in_window(std::uint32_t idx) const noexcept;
    /// The slot of `idx` is taken.
    void claim(std::uint32_t idx, const Held& held);

    /// The packet's bytes are in its buffer. Without the lock, by the thread that received them.
    /// True when the load thread may be waiting for just this one.
    bool received(std::uint32_t idx, std::uint64_t hash);
    /// The packet to write next, if its bytes are there. Without the lock by the load thread, which
    /// is the one that calls loaded(); under the lock by anyone.
    [[nodiscard]] std::optional<Held> next() const noexcept;
    /// The packet that next() returned has been written. Returns its buffer.
    std::uint32_t loaded();

    /// Everything below has been written. From any thread, without the lock.
    [[nodiscard]] std::uint32_t next_idx() const noexcept {
        return next_idx_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] bool next_claimed() const noexcept;
    [[nodiscard]] std::uint32_t held_count() const noexcept { return held_count_; }
    /// The config state, which is the last, has been written.
    [[nodiscard]] bool complete() const noexcept { return complete_; }
    /// Appends the buffer of every slot in use. Asserts what ties the members together.
    void check_invariants(std::vector<std::uint32_t>& buffers) const;

  private:
    enum class SlotState : std::uint8_t { empty, claimed, received };
    struct Slot {
        Held held;
        std::atomic<SlotState> state{SlotState::empty};  ///< received publishes `held`.
    };

    Slot& slot_of(std::uint32_t idx) noexcept { return ring_[idx % ring_.size()]; }
    [[nodiscard]] const Slot& slot_of(std::uint32_t idx) const noexcept {
        return ring_[idx % ring_.size()];
    }

    std::vector<Slot> ring_;
    /// Says which slot is next; publishes nothing else (see received()).
    std::atomic<std::uint32_t> next_idx_;
    // Under the session's lock.
    std::uint64_t shown_end_;  ///< One above the highest idx shown.
    std::uint32_t first_idx_;
    std::optional<std::uint32_t> config_idx_;  ///< Of the config state shown.
    std::uint32_t held_count_ = 0;
    bool complete_ = false;
};

}  // namespace multifd
