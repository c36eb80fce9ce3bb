#include "engine/packets/inbound_packets.hpp"

namespace multifd {

InboundPackets::InboundPackets(const ReassemblyLimits& limits, std::uint32_t devices)
    : arena_(limits.buffer_bytes, limits.buffers, Populate::yes),
      over_limit_(over_limit_buffer_bytes(limits.buffer_bytes), 1),
      reassembly_(limits, devices),
      doorbells_(devices) {}

Result<> InboundPackets::exclude(DeviceId device) {
    const std::scoped_lock lock(mutex_);
    if (!reassembly_.exclude(device)) return ErrorCode(Errc::multifd_disagree);
    return {};
}

Result<> InboundPackets::watch_for_gaps(Refusal& refusal) {
    const std::scoped_lock lock(mutex_);
    watching_for_gaps_ = true;
    const auto gap = certain_gap();
    if (!gap) return {};
    refusal = *gap;
    return gap->code;
}

void InboundPackets::begin_pre_copy(DeviceId device) {
    const std::scoped_lock lock(mutex_);
    reassembly_.begin_pre_copy(device);
}

Result<> InboundPackets::end_pre_copy(DeviceId device, std::uint32_t next_idx) {
    const std::scoped_lock lock(mutex_);
    if (!reassembly_.end_pre_copy(device, next_idx)) return ErrorCode(Errc::pre_copy_misplaced);
    return {};
}

bool InboundPackets::await_loaded(DeviceId device, std::uint32_t idx) {
    std::unique_lock lock(mutex_);
    const auto aborted = [this] { return aborted_.load(std::memory_order_relaxed); };
    room_.wait(lock, [&] { return aborted() || reassembly_.next_idx(device) >= idx; });
    return !aborted();
}

Result<Claim> InboundPackets::admit(ChannelId channel, const Arrival& arrival, Refusal& refusal) {
    std::unique_lock lock(mutex_);
    while (!aborted_.load(std::memory_order_relaxed)) {
        const auto admitted = reassembly_.admit(channel, arrival);
        if (!admitted) {
            refusal = {admitted.error(), arrival.device, arrival.idx};
            return admitted.error();
        }
        if (*admitted) return **admitted;
        if (const auto gap = certain_gap()) {
            refusal = *gap;
            return gap->code;
        }
        room_.wait(lock);
    }
    refusal = {Errc::cancelled, arrival.device, arrival.idx};
    return ErrorCode(Errc::cancelled);
}

std::optional<Refusal> InboundPackets::certain_gap() const {
    if (!watching_for_gaps_) return std::nullopt;
    const auto gap = reassembly_.find_gap();
    if (!gap) return std::nullopt;
    return Refusal{Errc::idx_gap, gap->device, gap->idx};
}

std::span<std::byte> InboundPackets::buffer(const Claim& claim) noexcept {
    auto& arena = claim.buffer == kOverLimitBuffer ? over_limit_ : arena_;
    const std::size_t index = claim.buffer == kOverLimitBuffer ? 0 : claim.buffer;
    return arena.at(index).first(claim.bytes);
}

void InboundPackets::received(const Claim& claim, std::uint64_t hash) {
    if (reassembly_.received(claim, hash)) ring(claim.device);
}

void InboundPackets::ring(DeviceId device) noexcept {
    auto& rings = doorbells_[device.value].rings;
    rings.fetch_add(1, std::memory_order_release);
    rings.notify_one();
}

std::optional<Delivery> InboundPackets::next(DeviceId device) {
    auto& rings = doorbells_[device.value].rings;
    for (;;) {
        // Read before looking: whatever rings after the look changes the number, and wait()
        // returns.
        const auto heard = rings.load(std::memory_order_acquire);
        if (aborted_.load(std::memory_order_relaxed)) return std::nullopt;
        if (auto delivery = reassembly_.next(device)) return delivery;
        rings.wait(heard, std::memory_order_acquire);
    }
}

Result<> InboundPackets::loaded(DeviceId device, Refusal& refusal) {
    std::optional<Refusal> gap;
    {
        const std::scoped_lock lock(mutex_);
        reassembly_.loaded(device);
        gap = certain_gap();
    }
    room_.notify_all();
    if (!gap) return {};
    refusal = *gap;
    return gap->code;
}

Result<> InboundPackets::channel_ended(ChannelId channel, Refusal& refusal) {
    const std::scoped_lock lock(mutex_);
    reassembly_.channel_ended(channel);
    const auto gap = certain_gap();
    if (!gap) return {};
    refusal = *gap;
    return gap->code;
}

void InboundPackets::abort() noexcept {
    {
        const std::scoped_lock lock(mutex_);
        aborted_.store(true, std::memory_order_relaxed);
    }
    room_.notify_all();
    for (std::uint32_t i = 0; i < doorbells_.size(); ++i) ring(DeviceId{i});
}

bool InboundPackets::complete(DeviceId device) const {
    const std::scoped_lock lock(mutex_);
    return reassembly_.complete(device);
}

std::uint32_t InboundPackets::next_idx(DeviceId device) const {
    const std::scoped_lock lock(mutex_);
    return reassembly_.next_idx(device);
}

std::size_t InboundPackets::queued_bytes() const {
    const std::scoped_lock lock(mutex_);
    return reassembly_.queued_bytes();
}

std::size_t InboundPackets::peak_queued_bytes() const {
    const std::scoped_lock lock(mutex_);
    return reassembly_.peak_queued_bytes();
}

}  // namespace multifd
