// InboundPackets: the reassembly of a session with its lock, its waits and its memory.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "channels/memory/buffer_arena.hpp"
#include "channels/wire/error.hpp"
#include "reassembly/reassembly.hpp"

namespace multifd {

/// What admit() came to when it did not admit.
struct Refusal {
    ErrorCode code;  ///< A reassembly error; cancelled after abort().
    std::optional<DeviceId> device;
    std::optional<std::uint32_t> idx;
};

/// Between the channels' threads, which bring packets in any order, and the load threads, which
/// take each device's in order.
/// Limits:    memory for `limits.buffers` buffers and the one that the over-limit token stands for.
/// Threads:   await_loaded() on the session's main thread; admit(), received(), channel_ended() on
///            the channels' threads; next(), loaded() on the device's load thread; abort() and the
///            numbers from any. One short critical section per packet and thread: in admit() and in
///            loaded(); received() and next() take no lock.
class InboundPackets {
  public:
    /// Throws std::bad_alloc.
    InboundPackets(const ReassemblyLimits& limits, std::uint32_t devices);

    /// This device's state comes down the main channel; nothing of it may have come on a channel.
    Result<> exclude(DeviceId device);
    /// Gaps are reported from here on; returns one that is certain already. Before, a device whose
    /// way is not known yet (a QEMU peer does not say it) may look like one.
    Result<> watch_for_gaps(Refusal& refusal);

    /// This device's pre-copy data takes the channels. Before the channels are read.
    void begin_pre_copy(DeviceId device);
    /// Its pre-copy packets are those below `next_idx`; pre_copy_misplaced when they are not.
    Result<> end_pre_copy(DeviceId device, std::uint32_t next_idx);
    /// Waits until everything of the device below `idx` has been loaded; false after abort(). Its
    /// load thread must be running.
    [[nodiscard]] bool await_loaded(DeviceId device, std::uint32_t idx);

    /// Waits until the packet may be read: its claim, or why it never may.
    Result<Claim> admit(ChannelId channel, const Arrival& arrival, Refusal& refusal);
    /// Where an admitted packet's payload goes, unless its device lends memory.
    [[nodiscard]] std::span<std::byte> buffer(const Claim& claim) noexcept;
    void received(const Claim& claim, std::uint64_t hash);
    /// Waits for the device's next packet in order; nothing after abort().
    std::optional<Delivery> next(DeviceId device);
    /// That packet has been written. Reports a gap that has become certain.
    Result<> loaded(DeviceId device, Refusal& refusal);
    /// Reports a gap that has become certain.
    Result<> channel_ended(ChannelId channel, Refusal& refusal);
    void abort() noexcept;

    [[nodiscard]] bool complete(DeviceId device) const;
    [[nodiscard]] std::uint32_t next_idx(DeviceId device) const;
    [[nodiscard]] std::size_t queued_bytes() const;
    [[nodiscard]] std::size_t peak_queued_bytes() const;

  private:
    std::optional<Refusal> certain_gap() const;
    // A load thread's doorbell: grows with everything that may concern its device.
    struct alignas(64) Doorbell {
        std::atomic<std::uint32_t> rings = 0;
    };
    void ring(DeviceId device) noexcept;

    BufferArena arena_;
    BufferArena over_limit_;
    mutable std::mutex mutex_;
    std::condition_variable room_;  // Something was loaded: paused channels ask again.
    Reassembly reassembly_;
    bool watching_for_gaps_ = false;
    std::vector<Doorbell> doorbells_;
    std::atomic<bool> aborted_ = false;  // Publishes nothing but itself.
};

}  // namespace multifd
