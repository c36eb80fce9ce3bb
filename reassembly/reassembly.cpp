#include "reassembly/reassembly.hpp"

#include <algorithm>

#include "channels/wire/assert.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

// More idx than there are buffers cannot be held; fewer than this would pause channels for nothing
// when a budget is small. All rings together stay at some megabytes.
constexpr std::uint32_t kWindowMin = 64;
constexpr std::uint32_t kSlotsOfAllDevices = 256 * 1024;

std::uint32_t choose_window(const ReassemblyLimits& limits, std::uint32_t devices) {
    if (limits.window != 0) return limits.window;
    const std::uint32_t share = std::max(kWindowMin, kSlotsOfAllDevices / std::max(1U, devices));
    return std::clamp(limits.buffers, kWindowMin, share);
}

}  // namespace

std::size_t over_limit_buffer_bytes(std::size_t buffer_bytes) noexcept {
    return std::max(buffer_bytes, limits::kConfigPacketDataBytesMax);
}

Reassembly::Reassembly(const ReassemblyLimits& limits, std::uint32_t devices)
    : window_(choose_window(limits, devices)),
      budget_(limits.buffer_bytes, limits.buffers),
      channels_(limits.channels),
      open_channels_(limits.channels) {
    MULTIFD_ASSERT(limits.channels >= 1 && limits.channels <= limits::kChannelsMax);
    MULTIFD_ASSERT(limits.buffer_bytes <= std::numeric_limits<std::uint32_t>::max());
    for (std::uint32_t i = 0; i < devices; ++i) {
        devices_.emplace_back(window_, limits.first_idx);
    }
}

bool Reassembly::exclude(DeviceId id) {
    Device& device = device_of(id);
    if (device.order.shown()) return false;
    device.excluded = true;
    return true;
}

void Reassembly::begin_pre_copy(DeviceId id) {
    Device& device = device_of(id);
    MULTIFD_ASSERT(!device.order.shown());
    device.border.open();
}

bool Reassembly::end_pre_copy(DeviceId id, std::uint32_t next_idx) {
    return device_of(id).border.close(next_idx);
}

Result<std::optional<Claim>> Reassembly::admit(ChannelId id, const Arrival& arrival) {
    Channel& channel = channel_of(id);
    Device& device = device_of(arrival.device);
    if (channel.state == Channel::State::paused) {
        // Judged when it showed itself; whatever came later has been judged against it.
        MULTIFD_ASSERT(channel.paused_on == arrival);
    } else {
        if (const ErrorCode error = judge(channel, arrival)) return error;
        device.order.show(arrival.idx, arrival.config);
        device.border.show(arrival.idx, arrival.pre_copy);
    }
    if (!fits(arrival)) {
        channel.paused_on = arrival;
        set_state(channel, Channel::State::paused);
        return std::optional<Claim>();
    }
    set_state(channel, Channel::State::open);
    Claim claim{.device = arrival.device,
                .idx = arrival.idx,
                .buffer = kOverLimitBuffer,
                .bytes = arrival.bytes,
                .config = arrival.config,
                .pre_copy = arrival.pre_copy};
    if (takes_buffer(arrival)) {
        claim.buffer = budget_.take_buffer();
    } else {
        budget_.take_token(arrival.bytes);
    }
    device.order.claim(arrival.idx, {.buffer = claim.buffer,
                                     .bytes = static_cast<std::uint32_t>(arrival.bytes),
                                     .config = arrival.config,
                                     .pre_copy = arrival.pre_copy});
    return std::optional<Claim>(claim);
}

bool Reassembly::admissible(ChannelId id) const {
    MULTIFD_ASSERT(id.value < channels_.size());
    const Channel& channel = channels_[id.value];
    return channel.state == Channel::State::paused && fits(channel.paused_on);
}

bool Reassembly::received(const Claim& claim, std::uint64_t hash) {
    return device_of(claim.device).order.received(claim.idx, hash);
}

std::optional<Delivery> Reassembly::next(DeviceId id) const {
    const DeviceOrder& order = device_of(id).order;
    const std::optional<DeviceOrder::Held> held = order.next();
    if (!held) return std::nullopt;
    return Delivery{.claim = {.device = id,
                              .idx = order.next_idx(),
                              .buffer = held->buffer,
                              .bytes = held->bytes,
                              .config = held->config,
                              .pre_copy = held->pre_copy},
                    .hash = held->hash};
}

void Reassembly::loaded(DeviceId id) {
    budget_.give_back(device_of(id).order.loaded());
}

void Reassembly::channel_ended(ChannelId id) {
    Channel& channel = channel_of(id);
    MULTIFD_ASSERT(channel.state != Channel::State::paused);
    set_state(channel, Channel::State::ended);
}

std::optional<Gap> Reassembly::find_gap() const {
    if (open_channels_ > 0) return std::nullopt;
    const bool one_may_go_on = std::ranges::any_of(channels_, [this](const Channel& channel) {
        return channel.state == Channel::State::paused && fits(channel.paused_on);
    });
    if (one_may_go_on) return std::nullopt;
    std::optional<Gap> gap;
    Evidence strongest = Evidence::none;
    for (std::uint32_t i = 0; i < devices_.size(); ++i) {
        const Device& device = devices_[i];
        if (device.excluded || device.order.complete()) continue;
        if (device.order.next_claimed()) return std::nullopt;
        const Evidence evidence = evidence_of_loss(device);
        if (gap && evidence <= strongest) continue;
        gap = Gap{.device = DeviceId{i}, .idx = device.order.next_idx()};
        strongest = evidence;
    }
    return gap;
}

// Several devices may miss their next packet, because it lies unread behind a paused one. If a
// single packet was lost, the earliest unread packet in global order stands at the head of a
// channel, and is inadmissible: so it is of the very device that lost one.
Reassembly::Evidence Reassembly::evidence_of_loss(const Device& device) {
    if (device.paused > 0) return Evidence::packet_paused;
    return device.order.held_count() > 0 ? Evidence::packet_held : Evidence::none;
}

bool Reassembly::complete(DeviceId id) const {
    const Device& device = device_of(id);
    return device.excluded || device.order.complete();
}

bool Reassembly::complete() const {
    return std::ranges::all_of(
        devices_, [](const Device& device) { return device.excluded || device.order.complete(); });
}

std::uint32_t Reassembly::next_idx(DeviceId id) const {
    return device_of(id).order.next_idx();
}

ErrorCode Reassembly::judge(const Channel& channel, const Arrival& arrival) const {
    const Device& device = device_of(arrival.device);
    if (channel.state == Channel::State::ended || device.excluded) return Errc::packet_unexpected;
    if (arrival.idx == limits::kIdxReserved) return Errc::idx_reserved;
    if (arrival.config) {
        if (arrival.bytes > limits::kConfigPacketDataBytesMax) return Errc::config_too_large;
    } else if (arrival.bytes > budget_.buffer_bytes()) {
        return Errc::packet_too_large;
    }
    if (device.paused > 0 && paused_elsewhere(arrival)) return Errc::idx_duplicate;
    if (!device.border.allows(arrival.idx, arrival.pre_copy)) return Errc::pre_copy_misplaced;
    return device.order.judge(arrival.idx, arrival.config);
}

bool Reassembly::paused_elsewhere(const Arrival& arrival) const {
    return std::ranges::any_of(channels_, [&](const Channel& channel) {
        return channel.state == Channel::State::paused &&
               channel.paused_on.device == arrival.device && channel.paused_on.idx == arrival.idx;
    });
}

// The admission rule.
bool Reassembly::fits(const Arrival& arrival) const {
    const DeviceOrder& order = device_of(arrival.device).order;
    if (takes_buffer(arrival)) return order.in_window(arrival.idx);
    return arrival.idx == order.next_idx() && budget_.has_token();
}

bool Reassembly::takes_buffer(const Arrival& arrival) const {
    return arrival.bytes <= budget_.buffer_bytes() && budget_.has_buffer();
}

void Reassembly::set_state(Channel& channel, Channel::State state) {
    const auto count = [this, &channel](bool leaves) {
        const std::size_t step = leaves ? std::size_t{0} - 1 : 1;
        if (channel.state == Channel::State::open) open_channels_ += step;
        if (channel.state != Channel::State::paused) return;
        device_of(channel.paused_on.device).paused += static_cast<std::uint32_t>(step);
    };
    count(true);
    channel.state = state;
    count(false);
}

Reassembly::Channel& Reassembly::channel_of(ChannelId id) {
    MULTIFD_ASSERT(id.value < channels_.size());
    return channels_[id.value];
}

Reassembly::Device& Reassembly::device_of(DeviceId id) {
    MULTIFD_ASSERT(id.value < devices_.size());
    return devices_[id.value];
}

const Reassembly::Device& Reassembly::device_of(DeviceId id) const {
    MULTIFD_ASSERT(id.value < devices_.size());
    return devices_[id.value];
}

void Reassembly::check_invariants() const {
    std::vector<std::uint32_t> buffers;
    std::size_t paused = 0;
    for (const Device& device : devices_) {
        device.order.check_invariants(buffers);
        MULTIFD_ASSERT(!device.excluded || !device.order.shown());
        paused += device.paused;
    }
    std::ranges::sort(buffers);
    MULTIFD_ASSERT(std::ranges::adjacent_find(buffers) == buffers.end());
    const bool token_out = !buffers.empty() && buffers.back() == kOverLimitBuffer;
    MULTIFD_ASSERT(token_out == !budget_.has_token());
    MULTIFD_ASSERT(buffers.size() == budget_.taken() + (token_out ? 1U : 0U));
    const auto in_state = [this](Channel::State state) {
        const auto count = std::ranges::count(channels_, state, &Channel::state);
        return static_cast<std::size_t>(count);
    };
    MULTIFD_ASSERT(in_state(Channel::State::open) == open_channels_);
    MULTIFD_ASSERT(in_state(Channel::State::paused) == paused);
    const std::size_t over = over_limit_buffer_bytes(budget_.buffer_bytes());
    MULTIFD_ASSERT(peak_queued_bytes() <= budget_.buffers() * budget_.buffer_bytes() + over);
    MULTIFD_ASSERT(queued_bytes() <= peak_queued_bytes());
}

}  // namespace multifd
