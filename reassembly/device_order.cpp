#include "reassembly/device_order.hpp"

#include <algorithm>

#include "channels/wire/assert.hpp"

namespace multifd {

DeviceOrder::DeviceOrder(std::uint32_t window, std::uint32_t first_idx)
    : ring_(window), next_idx_(first_idx), shown_end_(first_idx), first_idx_(first_idx) {
    MULTIFD_ASSERT(window >= 1);
}

ErrorCode DeviceOrder::judge(std::uint32_t idx, bool config) const noexcept {
    const bool held =
        in_window(idx) && slot_of(idx).state.load(std::memory_order_relaxed) != SlotState::empty;
    if (idx < next_idx() || held) return Errc::idx_duplicate;
    if (config_idx_) {
        // An idx that was shown as the config state and waits for room is found by its channel.
        if (config) return Errc::config_duplicate;
        if (idx > *config_idx_) return Errc::data_after_config;
    }
    if (config && shown_end_ > std::uint64_t{idx} + 1) return Errc::config_below_received;
    return {};
}

void DeviceOrder::show(std::uint32_t idx, bool config) noexcept {
    shown_end_ = std::max(shown_end_, std::uint64_t{idx} + 1);
    if (config) config_idx_ = idx;
}

bool DeviceOrder::in_window(std::uint32_t idx) const noexcept {
    const std::uint32_t next = next_idx();
    return idx >= next && idx - next < ring_.size();
}

void DeviceOrder::claim(std::uint32_t idx, const Held& held) {
    Slot& slot = slot_of(idx);
    MULTIFD_ASSERT(in_window(idx) && idx < shown_end_);
    MULTIFD_ASSERT(slot.state.load(std::memory_order_relaxed) == SlotState::empty);
    slot.held = held;
    slot.state.store(SlotState::claimed, std::memory_order_relaxed);
    ++held_count_;
}

// The store of `received` publishes the packet. Whether its load thread waits for it is asked after
// that store, and loaded() moves next_idx_ before the load thread looks at the slot: both are
// sequentially consistent, so either this sees the new next idx and answers true, or the load
// thread sees the packet and does not wait.
bool DeviceOrder::received(std::uint32_t idx, std::uint64_t hash) {
    Slot& slot = slot_of(idx);
    MULTIFD_ASSERT(slot.state.load(std::memory_order_relaxed) == SlotState::claimed);
    slot.held.hash = hash;
    slot.state.store(SlotState::received, std::memory_order_seq_cst);
    return next_idx_.load(std::memory_order_seq_cst) == idx;
}

// The slot of the next idx can hold no other idx: another one would have to be a window away.
std::optional<DeviceOrder::Held> DeviceOrder::next() const noexcept {
    const Slot& slot = slot_of(next_idx());
    if (slot.state.load(std::memory_order_seq_cst) != SlotState::received) return std::nullopt;
    return slot.held;
}

std::uint32_t DeviceOrder::loaded() {
    const std::uint32_t idx = next_idx();
    Slot& slot = slot_of(idx);
    MULTIFD_ASSERT(slot.state.load(std::memory_order_relaxed) == SlotState::received);
    slot.state.store(SlotState::empty, std::memory_order_relaxed);
    --held_count_;
    complete_ = slot.held.config;
    next_idx_.store(idx + 1, std::memory_order_seq_cst);
    return slot.held.buffer;
}

bool DeviceOrder::next_claimed() const noexcept {
    return slot_of(next_idx()).state.load(std::memory_order_relaxed) != SlotState::empty;
}

void DeviceOrder::check_invariants(std::vector<std::uint32_t>& buffers) const {
    const std::uint32_t next = next_idx();
    MULTIFD_ASSERT(next <= shown_end_);
    MULTIFD_ASSERT(!config_idx_ || *config_idx_ + std::uint64_t{1} == shown_end_);
    MULTIFD_ASSERT(!complete_ || (next == shown_end_ && held_count_ == 0));
    std::uint32_t held = 0;
    for (std::uint64_t idx = next; idx < std::uint64_t{next} + ring_.size(); ++idx) {
        const Slot& slot = ring_[idx % ring_.size()];
        if (slot.state.load(std::memory_order_relaxed) == SlotState::empty) continue;
        MULTIFD_ASSERT(idx < shown_end_);
        MULTIFD_ASSERT(slot.held.config == (config_idx_ && *config_idx_ == idx));
        buffers.push_back(slot.held.buffer);
        ++held;
    }
    MULTIFD_ASSERT(held == held_count_);
}

}  // namespace multifd
