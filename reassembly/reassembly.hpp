// Order, budget and completeness of all packets of a session: which may be read now, which is next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "channels/wire/error.hpp"
#include "channels/wire/ids.hpp"
#include "reassembly/budget.hpp"
#include "reassembly/device_order.hpp"
#include "reassembly/pre_copy_border.hpp"

namespace multifd {

struct ReassemblyLimits {
    std::size_t buffer_bytes = 0;  ///< Capacity of each buffer: the largest packet of data.
    std::uint32_t buffers = 0;     ///< The budget, at least 1. The over-limit buffer is one more.
    std::uint32_t channels = 0;
    std::uint32_t window = 0;  ///< Idx ahead of the next one that are held; 0 chooses by the rest.
    std::uint32_t first_idx = 0;  ///< Of every device. The protocol's is 0.
};

/// A packet whose header has been read and whose payload has not.
struct Arrival {
    DeviceId device;
    std::uint32_t idx = 0;
    std::size_t bytes = 0;  ///< Of its data.
    bool config = false;
    bool pre_copy = false;
    bool operator==(const Arrival&) const = default;
};

/// Leave to read a payload, and the place for it.
struct Claim {
    DeviceId device;
    std::uint32_t idx = 0;
    std::uint32_t buffer = 0;  ///< Below ReassemblyLimits::buffers, or kOverLimitBuffer.
    std::size_t bytes = 0;
    bool config = false;
    bool pre_copy = false;
    bool operator==(const Claim&) const = default;
};

/// A packet that its load thread may write.
struct Delivery {
    Claim claim;
    std::uint64_t hash = 0;
};

/// A packet that can no longer come.
struct Gap {
    DeviceId device;
    std::uint32_t idx = 0;
    bool operator==(const Gap&) const = default;
};

/// What the over-limit buffer must hold: a packet of data, or the largest config state.
[[nodiscard]] std::size_t over_limit_buffer_bytes(std::size_t buffer_bytes) noexcept;

/// Decides for every packet whether its payload may be read now, and hands each device's packets
/// out in order. A packet takes a whole buffer from admit() to loaded().
///
/// The rule: a packet is admitted when a buffer is free and its idx is within the device's window.
/// Over budget it is admitted only if its idx is the next one its load thread will *write* (all
/// lower ones have been loaded), and only with the session's single over-limit token, which stands
/// for one reserved buffer. A config state larger than a buffer needs the token always.
///
/// Why that cannot deadlock: packets were submitted in one global order, of which each channel
/// carries a subsequence. The earliest packet in that order that has not been received is at the
/// head of its channel. All lower ones of its device have been received, so they get loaded, and it
/// becomes the next to write. Then it has a buffer, or the token, or waits for the token; and who
/// holds that is itself next to write and received in time, hence loaded, hence returns it.
///
/// Limits:    memory: `buffers` buffers and one packet. Nothing allocates after construction.
/// Ownership: owns numbers only; the buffers are the caller's.
/// Threads:   received() and next() as they say; everything else under the session's one lock. A
///            channel receives one packet at a time.
/// Errors:    admit() judges what peers sent; everything else asserts that the caller keeps order.
class Reassembly {
  public:
    Reassembly(const ReassemblyLimits& limits, std::uint32_t devices);

    /// This device's state comes another way: its packets are unexpected, and nothing of it is
    /// missing. False, and no change, when one of its packets has shown itself already.
    [[nodiscard]] bool exclude(DeviceId device);

    /// This device's pre-copy data takes the channels. Before any of its packets has come.
    void begin_pre_copy(DeviceId device);
    /// Its pre-copy packets are those below `next_idx`. False, and no change, when a packet that
    /// has shown itself contradicts that.
    [[nodiscard]] bool end_pre_copy(DeviceId device, std::uint32_t next_idx);

    /// Nothing: the packet must wait; the channel is paused until a call with the same arrival
    /// admits it (worth trying after each loaded(); see admissible()).
    /// Errors, from the first packet that shows them, also against packets that are paused; they
    /// leave the state unchanged: idx_reserved, packet_unexpected (an excluded device, or a packet
    /// after the channel's end), packet_too_large, config_too_large, idx_duplicate,
    /// config_duplicate, data_after_config, config_below_received, pre_copy_misplaced.
    Result<std::optional<Claim>> admit(ChannelId channel, const Arrival& arrival);
    /// Whether admit() would let the channel's paused packet in now.
    [[nodiscard]] bool admissible(ChannelId channel) const;

    /// The payload is in its buffer. Called without the lock, by the channel's thread. True when
    /// the load thread may be waiting for just this packet and must be woken: a load thread that
    /// finds nothing in next() after its loaded() has a later true to count on.
    bool received(const Claim& claim, std::uint64_t hash);
    /// What the device's load thread may write now. Without the lock by that thread, which is also
    /// the one that calls loaded(); under the lock by anyone.
    [[nodiscard]] std::optional<Delivery> next(DeviceId device) const;
    /// What next() returned has been written: its buffer or the token is free, the next idx moves
    /// on.
    void loaded(DeviceId device);
    /// The channel brings nothing more. It is not paused. Idempotent.
    void channel_ended(ChannelId channel);

    /// A packet that cannot come any more: every channel is at its end or paused on a packet that
    /// is inadmissible, and no device has its next packet claimed. Prefers a device that has
    /// packets beyond the missing one.
    [[nodiscard]] std::optional<Gap> find_gap() const;

    [[nodiscard]] bool complete(DeviceId device) const;  ///< Also of an excluded device.
    [[nodiscard]] bool complete() const;                 ///< Of all devices.
    [[nodiscard]] std::uint32_t next_idx(DeviceId device) const;
    [[nodiscard]] std::size_t queued_bytes() const noexcept { return budget_.queued_bytes(); }
    [[nodiscard]] std::size_t peak_queued_bytes() const noexcept {
        return budget_.peak_queued_bytes();
    }
    [[nodiscard]] std::uint32_t window() const noexcept { return window_; }
    /// Asserts what ties the parts together. For tests: it looks at every slot and allocates.
    void check_invariants() const;

  private:
    struct Channel {
        enum class State : std::uint8_t { open, paused, ended };
        State state = State::open;
        Arrival paused_on;
    };
    struct Device {
        Device(std::uint32_t window, std::uint32_t first_idx) : order(window, first_idx) {}
        DeviceOrder order;
        PreCopyBorder border;
        std::uint32_t paused = 0;  ///< Channels that are paused on a packet of this device.
        bool excluded = false;
    };

    /// How much speaks for it that a device's next packet was lost, not only unread.
    enum class Evidence : std::uint8_t { none, packet_held, packet_paused };

    [[nodiscard]] static Evidence evidence_of_loss(const Device& device);
    [[nodiscard]] ErrorCode judge(const Channel& channel, const Arrival& arrival) const;
    [[nodiscard]] bool paused_elsewhere(const Arrival& arrival) const;
    [[nodiscard]] bool fits(const Arrival& arrival) const;
    [[nodiscard]] bool takes_buffer(const Arrival& arrival) const;
    void set_state(Channel& channel, Channel::State state);
    Channel& channel_of(ChannelId channel);
    Device& device_of(DeviceId device);
    [[nodiscard]] const Device& device_of(DeviceId device) const;

    std::uint32_t window_;
    Budget budget_;
    std::vector<Channel> channels_;
    std::deque<Device> devices_;  ///< A deque, since their atomics must not move.
    std::size_t open_channels_;
};

}  // namespace multifd
