#include "tests/simulation/reassembly_simulation.hpp"

#include <algorithm>
#include <random>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

using Packets = std::vector<Arrival>;

class Chance {
  public:
    explicit Chance(std::uint32_t seed) : random_(seed) {}
    std::uint32_t number(std::uint32_t least, std::uint32_t most) {
        return std::uniform_int_distribution<std::uint32_t>(least, most)(random_);
    }
    bool one_in(std::uint32_t count) { return number(1, count) == 1; }
    /// Often small, sometimes `most`.
    std::uint32_t skewed(std::uint32_t least, std::uint32_t most) {
        return number(least, number(least, most));
    }
    std::mt19937& engine() { return random_; }

  private:
    std::mt19937 random_;
};

/// What is sent: one global order of packets, and the channel of each.
struct Sending {
    std::uint32_t devices = 0;
    std::uint32_t channels = 0;
    std::size_t buffer_bytes = 0;
    Packets order;
    std::vector<std::uint32_t> pre_copied;  ///< By device: how many of its packets.
    std::optional<Gap> lost;
};

Arrival some_packet(Chance& chance, std::uint32_t device, std::uint32_t idx, bool config,
                    std::size_t buffer_bytes) {
    std::size_t most = buffer_bytes;
    if (config && chance.one_in(4)) most = limits::kConfigPacketDataBytesMax;
    const std::size_t bytes =
        config || chance.one_in(8) ? chance.number(0, static_cast<std::uint32_t>(most)) : most;
    return {.device = {device},
            .idx = idx,
            .bytes = config ? std::min(bytes, limits::kConfigPacketDataBytesMax) : bytes,
            .config = config};
}

/// Pre-copy packets of all devices leave before the first of a stopped one.
Packets right_order(Chance& chance, Sending& sending, bool may_pre_copy) {
    const bool pre_copy = may_pre_copy && chance.one_in(2);
    std::vector<std::uint32_t> counts(sending.devices);
    std::vector<std::uint32_t> order;
    for (std::uint32_t d = 0; d < sending.devices; ++d) {
        counts[d] = chance.skewed(0, 60);
        order.insert(order.end(), counts[d] + 1, d);
        const bool pre_copies = pre_copy && chance.one_in(2);
        sending.pre_copied.push_back(pre_copies ? chance.number(0, counts[d]) : 0);
    }
    // Either devices take turns at random, or one comes mostly before the next.
    if (!chance.one_in(3)) std::shuffle(order.begin(), order.end(), chance.engine());
    Packets packets;
    std::vector<std::uint32_t> next(sending.devices, 0);
    for (const std::uint32_t d : order) {
        const std::uint32_t idx = next[d]++;
        packets.push_back(some_packet(chance, d, idx, idx == counts[d], sending.buffer_bytes));
        packets.back().pre_copy = idx < sending.pre_copied[d];
    }
    std::ranges::stable_partition(packets, &Arrival::pre_copy);
    return packets;
}

std::size_t any_place(Chance& chance, const Packets& packets) {
    return chance.number(0, static_cast<std::uint32_t>(packets.size() - 1));
}

/// False when this sending leaves no room for the fault.
bool spoil(Chance& chance, SenderFault fault, Sending& sending) {
    Packets& order = sending.order;
    const std::size_t place = any_place(chance, order);
    const auto at = order.begin() + static_cast<std::ptrdiff_t>(place);
    switch (fault) {
        case SenderFault::none:
            return true;
        case SenderFault::packet_lost:
            sending.lost = Gap{.device = at->device, .idx = at->idx};
            order.erase(at);
            return true;
        case SenderFault::packet_doubled: {
            const Arrival again = *at;
            const auto later = chance.number(static_cast<std::uint32_t>(place) + 1,
                                             static_cast<std::uint32_t>(order.size()));
            order.insert(order.begin() + later, again);
            return true;
        }
        case SenderFault::config_too_early: {
            if (at->config) return false;
            at->config = true;
            at->bytes = std::min(at->bytes, limits::kConfigPacketDataBytesMax);
            return true;
        }
        case SenderFault::order_broken:
            std::shuffle(order.begin(), order.end(), chance.engine());
            return true;
        case SenderFault::border_wrong: {
            if (!at->pre_copy) return false;
            auto& border = sending.pre_copied[at->device.value];
            border = chance.one_in(2) ? at->idx : border + 1;
            return true;
        }
    }
    return false;
}

/// The destination's threads as actors of whom chance picks the next to act.
class Simulation {
  public:
    Simulation(Chance& chance, const Sending& sending, const ReassemblyLimits& limits,
               bool threads_start_late)
        : chance_(chance),
          sending_(sending),
          limits_(limits),
          reassembly_(limits, sending.devices),
          channels_(sending.channels),
          loads_(sending.devices),
          threads_start_late_(threads_start_late),
          start_after_(chance.one_in(2) ? 0 : chance.number(0, 500)),
          switchover_after_(start_after_ + (chance.one_in(2) ? 0 : chance.number(0, 500))) {
        // One channel may carry most, others nothing.
        const std::uint32_t favourite = chance.number(0, sending.channels - 1);
        const bool fair = chance.one_in(2);
        for (const Arrival& packet : sending.order) {
            const std::uint32_t any = chance.number(0, sending.channels - 1);
            channels_[fair || chance.one_in(3) ? any : favourite].packets.push_back(packet);
        }
        for (Load& load : loads_) load.patience = chance.skewed(1, 30);
        for (std::uint32_t d = 0; d < sending.devices; ++d) {
            if (pre_copies(d)) reassembly_.begin_pre_copy({d});
        }
        for (Channel& channel : channels_) channel.patience = chance.skewed(1, 10);
    }

    SimulatedOutcome run() {
        while (!over()) {
            if (!switched_over_ && switchover_after_ <= outcome_.steps) {
                switch_over();
            } else if (step_somebody()) {
                ++outcome_.steps;
                look();
            } else if (start_after_ > outcome_.steps) {
                start_after_ = outcome_.steps;  // START sections come on the main channel
            } else if (!switched_over_) {
                switchover_after_ = outcome_.steps;  // and the switchover
            } else {
                outcome_.stuck = true;
            }
        }
        outcome_.complete = reassembly_.complete() && !outcome_.error;
        outcome_.peak_queued_bytes = reassembly_.peak_queued_bytes();
        return outcome_;
    }

  private:
    struct Channel {
        Packets packets;
        std::size_t position = 0;
        std::optional<Claim> receiving;
        bool paused = false;
        bool ended = false;
        std::uint32_t patience = 1;  ///< Acts once in so many turns.
    };
    struct Load {
        std::uint32_t loaded = 0;
        std::uint32_t patience = 1;
    };

    [[nodiscard]] bool over() const {
        const bool all_read = std::ranges::all_of(channels_, &Channel::ended) && switched_over_;
        return (all_read && reassembly_.complete()) || outcome_.error || outcome_.stuck;
    }

    [[nodiscard]] bool pre_copies(std::uint32_t device) const {
        return sending_.pre_copied[device] != 0;
    }

    void switch_over() {
        switched_over_ = true;
        for (std::uint32_t d = 0; d < sending_.devices; ++d) {
            if (!pre_copies(d) || reassembly_.end_pre_copy({d}, sending_.pre_copied[d])) continue;
            if (!outcome_.error) outcome_.error = Errc::pre_copy_misplaced;
        }
    }

    /// Load threads of devices that pre-copy begin with their START, all others at the switchover.
    [[nodiscard]] bool loads_now(std::uint32_t device) const {
        if (pre_copies(device)) return outcome_.steps >= start_after_;
        return switched_over_ && (!threads_start_late_ || pre_copy_is_loaded());
    }

    [[nodiscard]] bool pre_copy_is_loaded() const {
        for (std::uint32_t d = 0; d < sending_.devices; ++d) {
            if (reassembly_.next_idx({d}) < sending_.pre_copied[d]) return false;
        }
        return true;
    }

    // Some random turns, then everybody's in turn, to be sure that nobody can act.
    bool step_somebody() {
        const auto channels = static_cast<std::uint32_t>(channels_.size());
        const auto actors = channels + static_cast<std::uint32_t>(loads_.size());
        for (std::uint32_t turn = 0; turn < 2 * actors; ++turn) {
            const std::uint32_t actor = chance_.number(0, actors - 1);
            const std::uint32_t patience =
                actor < channels ? channels_[actor].patience : loads_[actor - channels].patience;
            if (chance_.one_in(patience) && step(actor)) return true;
        }
        const std::uint32_t first = chance_.number(0, actors - 1);
        for (std::uint32_t turn = 0; turn < actors; ++turn) {
            if (step((first + turn) % actors)) return true;
        }
        return false;
    }

    bool step(std::uint32_t actor) {
        const auto channels = static_cast<std::uint32_t>(channels_.size());
        return actor < channels ? channel_step(actor) : load_step(actor - channels);
    }

    bool channel_step(std::uint32_t number) {
        Channel& channel = channels_[number];
        const ChannelId id{static_cast<std::uint8_t>(number)};
        if (channel.ended) return false;
        if (channel.receiving) {
            reassembly_.received(*channel.receiving, channel.receiving->idx);
            channel.receiving.reset();
            ++channel.position;
            return true;
        }
        if (channel.position == channel.packets.size()) {
            reassembly_.channel_ended(id);
            channel.ended = true;
            return true;
        }
        const auto admitted = reassembly_.admit(id, channel.packets[channel.position]);
        if (!admitted) {
            outcome_.error = admitted.error();
            return true;
        }
        channel.receiving = *admitted;
        const bool paused_before = std::exchange(channel.paused, !channel.receiving);
        return !channel.paused || !paused_before;
    }

    bool load_step(std::uint32_t number) {
        if (!loads_now(number)) return false;
        const auto delivery = reassembly_.next({number});
        if (!delivery) return false;
        if (delivery->claim.idx != loads_[number].loaded++ ||
            delivery->hash != delivery->claim.idx) {
            throw std::logic_error("a packet was delivered out of order");
        }
        reassembly_.loaded({number});
        return true;
    }

    void look() {
        reassembly_.check_invariants();
        const auto gap = outcome_.error ? std::nullopt : reassembly_.find_gap();
        if (!gap) return;
        outcome_.error = Errc::idx_gap;
        outcome_.gap = gap;
        outcome_.gap_is_missing = loads_[gap->device.value].loaded == gap->idx;
        for (const Channel& channel : channels_) {
            for (std::size_t i = 0; i < channel.position; ++i) {
                const Arrival& came = channel.packets[i];
                if (came.device == gap->device && came.idx == gap->idx) {
                    outcome_.gap_is_missing = false;
                }
            }
        }
    }

    Chance& chance_;
    const Sending& sending_;
    ReassemblyLimits limits_;
    Reassembly reassembly_;
    std::vector<Channel> channels_;
    std::vector<Load> loads_;
    bool threads_start_late_;
    std::uint64_t start_after_;       ///< Steps before START sections come.
    std::uint64_t switchover_after_;  ///< Steps before the switchover is read.
    bool switched_over_ = false;
    SimulatedOutcome outcome_;
};

}  // namespace

SimulatedOutcome simulate(const SimulatedCase& simulated) {
    Chance chance(simulated.seed);
    Sending sending;
    do {
        sending = {};
        sending.devices = chance.skewed(1, 24);
        sending.channels = chance.skewed(1, 16);
        sending.buffer_bytes = std::size_t{4096} << chance.number(0, 9);
        const bool may_pre_copy = simulated.fault != SenderFault::config_too_early;
        sending.order = right_order(chance, sending, may_pre_copy);
    } while (!spoil(chance, simulated.fault, sending));
    const bool ample = chance.one_in(4);
    const auto packets = static_cast<std::uint32_t>(sending.order.size()) + 1;
    const ReassemblyLimits limits{.buffer_bytes = sending.buffer_bytes,
                                  .buffers = ample ? packets : chance.skewed(1, 40),
                                  .channels = sending.channels,
                                  .window = ample ? 64 : chance.skewed(1, 64)};
    SimulatedOutcome outcome =
        Simulation(chance, sending, limits, simulated.threads_start_late).run();
    outcome.lost = sending.lost;
    outcome.ample = ample && std::ranges::all_of(sending.order, [&](const Arrival& packet) {
                        return packet.bytes <= limits.buffer_bytes;
                    });
    outcome.bytes_max =
        limits.buffers * limits.buffer_bytes + over_limit_buffer_bytes(limits.buffer_bytes);
    std::ostringstream text;
    text << "seed " << simulated.seed << ", fault " << static_cast<int>(simulated.fault) << ", "
         << sending.devices << " devices, " << sending.channels << " channels, "
         << sending.order.size() << " packets, " << limits.buffers << " buffers of "
         << limits.buffer_bytes << ", window " << limits.window;
    outcome.description = text.str();
    return outcome;
}

}  // namespace multifd
