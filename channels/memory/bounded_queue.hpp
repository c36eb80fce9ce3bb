// The bounded queue that hands work from thread to thread: the single submission point.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "channels/memory/index_queue.hpp"
#include "channels/wire/assert.hpp"

namespace multifd {

/// First in, first out over all threads: every push gets one place in one global order, and each
/// popper sees a subsequence of that order.
/// Limits:    at most `capacity` values at once, at least 1. A push may wait until `refill` values
///            have left, 1 to capacity. Nothing allocates after construction but what moving a T
///            does.
/// Ownership: owns each value from a successful push until a pop returns it; destroyed with no
///            thread inside.
/// Threads:   all members from any thread.
/// Errors:    the constructor throws std::bad_alloc. A T must not throw when moved.
///
/// Values stay in `slots_`; what travels through two IndexQueues are the numbers of slots: `free_`
/// bounds the pushers, `filled_` feeds the poppers. A thread waits only for one of these to give it
/// a number, never for a flag. To end the waits, close() and abort() push a number of their own, a
/// pill; whoever takes a pill puts it back before it leaves, so it reaches all waiters, and all who
/// come later. So no wake-up can be lost: there is nothing between a check and a wait.
///
/// Waking a thread costs more than handing a value over. So slots that poppers have emptied are put
/// aside in `emptied_`, and given to the pushers `refill` at a time: one that found the queue full
/// is woken once for as many pushes. That always comes: while somebody waits to push, each slot is
/// filled, and will be popped, or put aside; and fewer than `refill` stay aside.
///
/// A pushed value must not end up behind the pill of close(). So a pusher announces itself in
/// `pushers_` unless the queue is closed already, and the pill for the poppers is pushed by the one
/// that finds the queue closed with nobody announced: close() itself, or the last announced pusher.
/// That happens once, since after closing nobody announces itself any more.
template <class T>
class BoundedQueue {
  public:
    explicit BoundedQueue(std::size_t capacity, std::size_t refill = 1)
        : refill_(refill),
          free_(capacity + kPillsMax),
          filled_(capacity + kPillsMax),
          emptied_(capacity),
          slots_(capacity) {
        MULTIFD_ASSERT(capacity >= 1 && capacity < kPill);
        MULTIFD_ASSERT(refill >= 1 && refill <= capacity);
        for (std::size_t i = 0; i < capacity; ++i) free_.push(static_cast<std::uint32_t>(i));
    }
    BoundedQueue(const BoundedQueue&) = delete;
    BoundedQueue& operator=(const BoundedQueue&) = delete;

    /// Blocks while full. False once closed or aborted: the value is dropped then. A push that is
    /// blocked when the queue is closed returns false.
    [[nodiscard]] bool push(T value) {
        const std::uint32_t slot = free_.pop();
        if (slot == kPill) {
            free_.push(kPill);
            return false;
        }
        if (!announce()) {
            free_.push(slot);
            return false;
        }
        slots_[slot].emplace(std::move(value));
        filled_.push(slot);
        if (pushers_.fetch_sub(1, std::memory_order_acq_rel) == kClosed + 1) filled_.push(kPill);
        if (aborted()) drop_contents();
        return !aborted();
    }

    /// Blocks while empty. Nothing once aborted, or closed and drained.
    [[nodiscard]] std::optional<T> pop() {
        const std::uint32_t slot = filled_.pop();
        if (slot == kPill) {
            filled_.push(kPill);
            return std::nullopt;
        }
        std::optional<T> value = take(slot);
        if (aborted()) value.reset();
        return value;
    }

    /// No more pushes; poppers get what is there. Idempotent.
    void close() {
        const std::uint32_t before = pushers_.fetch_or(kClosed, std::memory_order_acq_rel);
        if ((before & kClosed) != 0) return;
        if (before == 0) filled_.push(kPill);
        free_.push(kPill);
    }

    /// Everybody returns now; what is inside is dropped. Idempotent.
    void abort() {
        if (aborted_.exchange(true, std::memory_order_acq_rel)) return;
        filled_.push(kPill);
        close();
        drop_contents();
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return slots_.size(); }

  private:
    static constexpr std::uint32_t kPill = std::numeric_limits<std::uint32_t>::max();
    static constexpr std::size_t kPillsMax = 2;  ///< One of close(), one of abort().
    static constexpr std::uint32_t kClosed = 1U << 31;

    bool announce() noexcept {
        std::uint32_t seen = pushers_.load(std::memory_order_acquire);
        do {
            if ((seen & kClosed) != 0) return false;
        } while (!pushers_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel));
        return true;
    }

    std::optional<T> take(std::uint32_t slot) {
        std::optional<T> value = std::move(slots_[slot]);
        slots_[slot].reset();
        put_aside(slot);
        return value;
    }

    void put_aside(std::uint32_t slot) {
        if (refill_ == 1) return free_.push(slot);
        emptied_.push(slot);
        // Whoever counts a full batch finds it there: each was pushed before it was counted, and
        // each batch is taken out by one alone.
        if (emptied_count_.fetch_add(1, std::memory_order_acq_rel) % refill_ != refill_ - 1) return;
        for (std::size_t i = 0; i < refill_; ++i) free_.push(emptied_.pop());
    }

    // Called by abort() and by every push that came in beside it, so that nothing stays inside. The
    // pills it meets go back at the end.
    void drop_contents() {
        std::size_t pills = 0;
        std::uint32_t slot = 0;
        while (filled_.try_pop(slot)) {
            if (slot == kPill) {
                ++pills;
            } else {
                take(slot).reset();
            }
        }
        for (; pills > 0; --pills) filled_.push(kPill);
    }

    [[nodiscard]] bool aborted() const noexcept { return aborted_.load(std::memory_order_acquire); }

    const std::size_t refill_;
    IndexQueue free_;
    IndexQueue filled_;
    IndexQueue emptied_;  ///< Neither: put aside, fewer than `refill_` but for a moment.
    std::atomic<std::uint64_t> emptied_count_{0};  ///< Ever; publishes what was put aside.
    std::vector<std::optional<T>> slots_;
    std::atomic<std::uint32_t> pushers_{0};  ///< Announced pushers; publishes kClosed to them.
    std::atomic<bool> aborted_{false};       ///< Publishes that values are to be dropped.
};

}  // namespace multifd
