// ChannelSenders: one thread per channel takes packets in submission order and sends them.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "channels/memory/bounded_queue.hpp"
#include "channels/memory/buffer_pool.hpp"
#include "channels/transport/connection.hpp"
#include "channels/wire/ids.hpp"
#include "engine/packets/channel_counters.hpp"
#include "engine/packets/device_traffic.hpp"
#include "engine/packets/packet_encoder.hpp"
#include "engine/packets/send_pacer.hpp"
#include "engine/packets/sent_digest.hpp"
#include "engine/packets/submission_gate.hpp"
#include "engine/session/failure.hpp"

namespace multifd {

/// One packet on its way out. `data` is the payload: in `buffer`, in memory that a device lends, or
/// in a config state that its device's session object keeps.
struct OutboundPacket {
    DeviceId device;
    std::uint32_t idx = 0;
    bool config = false;
    bool pre_copy = false;  ///< Read while its device ran.
    std::span<const std::byte> data;
    /// Gets the hash of `data`; null where none is wanted, and for a config state, whose tokens do
    /// not count.
    SentDigest* digest = nullptr;
    SubmissionTurn turn;  ///< Ends after the buffer is back, which the next one will want.
    PooledBuffer buffer;  ///< Empty unless `data` lies in it; goes back to its pool once sent.
};

/// The single submission point: packets leave in one global order, of which each channel carries a
/// subsequence, in order. That is what lets the destination pause a channel without deadlock.
/// Limits:    holds at most `queue_packets` besides the one each channel is sending.
/// Ownership: owns the channels' connections and threads.
/// Threads:   submit() from the save threads; finish() and abort() from any; counters from any.
/// Errors:    the first failing channel calls `fail` on its thread; then everything ends.
class ChannelSenders {
  public:
    struct Wiring {
        std::vector<DeviceIdentity> devices{};  ///< By DeviceId.
        std::size_t queue_packets = 2;
        std::size_t paths = 1;  ///< Over which the channels are dealt out, as by path_of().
        bool end_mark = false;  ///< Agreed: a channel ends with a channel-end packet.
        EncodingChoice encoding{};
        std::function<void(Failure)> fail{};
        std::function<void(ChannelId)> enter{};  ///< First thing on a channel's thread, if given.
        std::atomic<std::uint64_t>* progress = nullptr;  ///< Counts packets sent; only ever grows.
        SendPacer* pacer = nullptr;  ///< Holds all channels to one rate; outlives the senders.
    };
    ChannelSenders(std::vector<Connection> channels, Wiring wiring);
    ~ChannelSenders();
    ChannelSenders(const ChannelSenders&) = delete;
    ChannelSenders& operator=(const ChannelSenders&) = delete;

    /// Blocks while the queue is full, then until half of it has been taken; false once aborted or
    /// finished.
    bool submit(OutboundPacket packet);
    /// From here on, also for what is queued. It outlives the senders.
    void set_pacer(SendPacer& pacer) noexcept { pacer_.store(&pacer, std::memory_order_release); }
    /// No more packets: waits until all are sent and every channel has been ended.
    void finish();
    /// Drops what is queued and ends the threads' waits; idempotent.
    void abort() noexcept;
    /// Waits for the threads, which end after finish() or abort(), and closes the connections.
    void join();
    [[nodiscard]] std::span<const ChannelCounters> counters() const noexcept { return counters_; }
    [[nodiscard]] std::size_t queue_packets() const noexcept { return wiring_.queue_packets; }
    /// By DeviceId.
    [[nodiscard]] std::span<const DeviceTraffic> traffic() const noexcept { return traffic_; }

  private:
    void run(ChannelId id) noexcept;
    void send_all(ChannelId id);
    void keep_short_if_slow(ChannelId id, bool& is_short);
    ErrorCode send_packet(ChannelId id, const OutboundPacket& packet);
    [[nodiscard]] bool may_interleave(const EncodedPacket& packet) const noexcept;
    Result<std::uint64_t> hash_and_send(ChannelId id, std::span<const std::byte> header,
                                        std::span<const std::byte> data,
                                        std::span<const std::byte> state);
    ErrorCode send(Connection& connection, std::span<const std::byte> header,
                   const EncodedPacket& packet);
    ErrorCode send_paced(Connection& connection, std::span<const std::byte> rest);
    void end_channel(ChannelId id);

    Wiring wiring_;
    std::atomic<SendPacer*> pacer_;      ///< Publishes the pacer of the phase.
    std::atomic<bool> aborted_ = false;  ///< Set before the queue says so to the threads.
    std::vector<Connection> connections_;
    std::vector<ChannelCounters> counters_;
    std::vector<DeviceTraffic> traffic_;
    std::deque<PacketEncoder> encoders_;  ///< One for each channel; they do not move.
    std::deque<PiecewiseHash> hashes_;    ///< The same.
    BoundedQueue<OutboundPacket> queue_;
    std::vector<std::thread> threads_;
};

}  // namespace multifd
