// ChannelReceivers: one thread per channel reads packets straight to where their bytes belong.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "channels/transport/connection.hpp"
#include "channels/wire/device_state_packet.hpp"
#include "engine/packets/channel_counters.hpp"
#include "engine/packets/device_directory.hpp"
#include "engine/packets/device_traffic.hpp"
#include "engine/packets/inbound_packets.hpp"
#include "engine/packets/packet_decoder.hpp"
#include "engine/packets/transfer_digest.hpp"
#include "engine/session/failure.hpp"

namespace multifd {

/// Reads each channel: header, leave to read the payload (which may pause the channel), payload.
/// Ownership: owns the connections and threads; everything in the wiring outlives it.
/// Threads:   abort() and counters() from any.
/// Errors:    a channel's first goes to `fail`, with channel, device and idx.
class ChannelReceivers {
  public:
    struct Wiring {
        InboundPackets* inbound = nullptr;
        const DeviceDirectory* directory = nullptr;
        std::vector<DeviceIdentity> devices{};  ///< By DeviceId.
        /// By DeviceId: memory a device lends; empty where it does not. `packet_bytes` gives the
        /// place.
        std::vector<std::span<std::byte>> lent{};
        std::size_t packet_bytes = 0;  ///< Data of a full packet.
        std::size_t next_packet_bytes_max = limits::kNextPacketBytesMax;
        PacketEncodings encodings{};  ///< Agreed.
        bool qemu = false;  ///< RAM and SYNC packets are skipped; channels end without a mark.
        bool hash = false;
        std::function<void(Failure)> fail{};
        std::function<void(ChannelId)> enter{};  ///< First thing on a channel's thread, if given.
        std::atomic<std::uint64_t>* progress = nullptr;
    };
    ChannelReceivers(std::vector<Connection> channels, Wiring wiring);
    ~ChannelReceivers();
    ChannelReceivers(const ChannelReceivers&) = delete;
    ChannelReceivers& operator=(const ChannelReceivers&) = delete;

    /// Ends the threads' reads; `inbound` is aborted by its owner. Idempotent.
    void abort() noexcept;
    void join();
    [[nodiscard]] std::span<const ChannelCounters> counters() const noexcept { return counters_; }
    /// By DeviceId.
    [[nodiscard]] std::span<const DeviceTraffic> traffic() const noexcept { return traffic_; }

  private:
    /// A packet's head, and what is known of the packet while an error is being told.
    struct Head {
        std::array<std::byte, kEncodedPrologueBytes> bytes;
        std::optional<DeviceId> device;
        std::optional<std::uint32_t> idx;
        std::string stranger;  ///< The idstr of a packet whose device this end does not have.
    };
    enum class Next { packet, ended };

    void run(ChannelId id) noexcept;
    void receive_all(ChannelId id, Head& head);
    Result<Next> receive_packet(ChannelId id, Head& head);
    Result<Next> expect_nothing(ChannelId id);
    Result<DeviceStateHeader> receive_header(ChannelId id, Head& head, PacketEncoding encoding);
    Result<> receive_state(ChannelId id, Head& head, PacketEncoding encoding);
    Result<std::uint64_t> receive_payload(ChannelId id, const DeviceStateHeader& header,
                                          std::span<std::byte> place, bool hash);
    Result<> receive_exactly_and_hash(ChannelId id, std::span<std::byte> target);
    Result<> skip_ram(ChannelId id, const Head& head);
    Result<> receive_exactly(ChannelId id, std::span<std::byte> target);
    Result<std::span<std::byte>> place_of(const Claim& claim) const;
    void report(ChannelId id, const Head& head, ErrorCode error);

    Wiring wiring_;
    std::vector<Connection> connections_;
    std::vector<ChannelCounters> counters_;
    std::vector<DeviceTraffic> traffic_;
    std::deque<PacketDecoder> decoders_;  ///< One for each channel; they do not move.
    std::deque<PiecewiseHash> hashes_;    ///< The same.
    std::vector<std::thread> threads_;
};

}  // namespace multifd
