#include "tests/reassembly/destinations.hpp"

#include <algorithm>
#include <stdexcept>

namespace multifd::interleavings {
namespace {

void demand(bool condition, const char* what) {
    if (!condition) throw std::logic_error(what);
}

ChannelId channel_id(std::uint32_t channel) {
    return {static_cast<std::uint8_t>(channel)};
}

std::uint64_t hash_of(const Claim& claim) {
    return claim.device.value * 1000 + claim.idx;
}

}  // namespace

ProductDestination::ProductDestination(const Case& limits)
    : reassembly_({.buffer_bytes = 1,
                   .buffers = limits.buffers,
                   .channels = limits.channels,
                   .window = limits.window},
                  limits.devices),
      receiving_(limits.channels),
      loaded_(limits.devices, 0) {}

Destination::Verdict ProductDestination::attempt(std::uint32_t channel, const Packet& packet) {
    const auto admitted = reassembly_.admit(channel_id(channel), {.device = {packet.device},
                                                                  .idx = packet.idx,
                                                                  .bytes = packet.bytes,
                                                                  .config = packet.config});
    if (!admitted) return Verdict::refused;
    if (!*admitted) {
        demand(!reassembly_.admissible(channel_id(channel)), "paused, but admissible");
        return Verdict::paused;
    }
    const Claim& claim = **admitted;
    ++held_;
    if (claim.buffer == kOverLimitBuffer) {
        demand(token_holder_ == 0, "two packets over the limit");
        token_holder_ = packet.device + 1;
    }
    receiving_[channel] = claim;
    return Verdict::admitted;
}

void ProductDestination::received(std::uint32_t channel) {
    const Claim& claim = *receiving_[channel];
    const bool awaited = reassembly_.received(claim, hash_of(claim));
    demand(awaited == (claim.idx == loaded_[claim.device.value]), "the wrong load thread is woken");
}

void ProductDestination::ended(std::uint32_t channel) {
    reassembly_.channel_ended(channel_id(channel));
}

bool ProductDestination::load(std::uint32_t device) {
    const auto delivery = reassembly_.next({device});
    if (!delivery) return false;
    demand(delivery->claim.idx == loaded_[device], "delivered out of order");
    demand(delivery->claim.device.value == device, "delivered to another device");
    demand(delivery->hash == hash_of(delivery->claim), "delivered with another packet's hash");
    if (delivery->claim.buffer == kOverLimitBuffer) token_holder_ = 0;
    --held_;
    ++loaded_[device];
    reassembly_.loaded({device});
    return true;
}

void ProductDestination::check() const {
    reassembly_.check_invariants();
    demand(reassembly_.queued_bytes() >= held_, "held packets are not counted");
}

std::uint64_t ProductDestination::fingerprint() const {
    std::uint64_t print = token_holder_;
    for (const std::uint32_t loaded : loaded_) print = print << 4 | loaded;
    return print;
}

ModelDestination::ModelDestination(Rule rule, const Case& limits)
    : rule_(rule), limits_(limits), devices_(limits.devices), receiving_(limits.channels) {}

Destination::Verdict ModelDestination::attempt(std::uint32_t channel, const Packet& packet) {
    Device& device = devices_[packet.device];
    if (packet.idx >= device.next + limits_.window) return Verdict::paused;
    const bool takes_buffer = packet.bytes <= 1 && buffers_taken_ < limits_.buffers;
    if (!takes_buffer && !admits_over_limit(packet)) return Verdict::paused;
    ++(takes_buffer ? buffers_taken_ : over_limit_);
    device.held[packet.idx] = Held{.over_limit = !takes_buffer, .config = packet.config};
    receiving_[channel] = packet;
    return Verdict::admitted;
}

bool ModelDestination::admits_over_limit(const Packet& packet) const {
    const Device& device = devices_[packet.device];
    const auto is_received = [&](std::uint32_t idx) {
        return idx < device.next || (device.held[idx] && device.held[idx]->received);
    };
    switch (rule_) {
        case Rule::next_to_write_with_token:
            return packet.idx == device.next && over_limit_ == 0;
        case Rule::budget_alone:
            return false;
        case Rule::lowest_not_received:
            for (std::uint32_t idx = 0; idx < packet.idx; ++idx) {
                if (!is_received(idx)) return false;
            }
            return true;
        case Rule::next_to_write_each:
            return packet.idx == device.next;
    }
    return false;
}

void ModelDestination::received(std::uint32_t channel) {
    const Packet& packet = receiving_[channel];
    devices_[packet.device].held[packet.idx]->received = true;
}

bool ModelDestination::load(std::uint32_t number) {
    Device& device = devices_[number];
    const std::optional<Held> held = device.held[device.next];
    if (!held || !held->received) return false;
    --(held->over_limit ? over_limit_ : buffers_taken_);
    device.complete = held->config;
    device.held[device.next++].reset();
    return true;
}

bool ModelDestination::complete() const {
    return std::ranges::all_of(devices_, [](const Device& device) { return device.complete; });
}

std::uint64_t ModelDestination::fingerprint() const {
    std::uint64_t print = 0;
    for (const Device& device : devices_) {
        std::uint64_t over = device.next;
        for (std::uint32_t idx = 0; idx < 8; ++idx) {
            if (device.held[idx] && device.held[idx]->over_limit) over |= 16U << idx;
        }
        print = print << 12 | over;
    }
    return print;
}

}  // namespace multifd::interleavings
