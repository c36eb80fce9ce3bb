// A channel of packets between senders and receivers, for tests of the forms that packets take.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <optional>
#include <span>
#include <vector>

#include "engine/packets/channel_receivers.hpp"
#include "engine/packets/channel_senders.hpp"
#include "engine/packets/packet_encoder.hpp"
#include "engine/packets/transfer_digest.hpp"
#include "tests/channels/codec/content.hpp"
#include "tests/support/connection_pair.hpp"

namespace multifd {

inline constexpr std::size_t kPacket = 65536;
inline constexpr std::byte kUntouched{0xee};
inline const DeviceIdentity kGpu{"gpu0", 0};

using Bytes = std::vector<std::byte>;

/// One channel from senders to receivers, or either of them with the test at the other end.
class Path {
  public:
    struct Options {
        EncodingChoice encoding{};
        PacketEncodings agreed = kEveryEncoding;
        std::span<std::byte> lent{};
        SendPacer* pacer = nullptr;
    };
    explicit Path(Options options)
        : directory_({kGpu}), inbound_({.buffer_bytes = kPacket, .buffers = 8, .channels = 1}, 1) {
        std::vector<Connection> receiving;
        receiving.push_back(std::move(pair_.theirs));
        ChannelReceivers::Wiring wiring{.inbound = &inbound_, .directory = &directory_};
        wiring.devices = {kGpu};
        wiring.lent = {options.lent};
        wiring.packet_bytes = kPacket;
        wiring.next_packet_bytes_max = kPacket + limits::kStateHeaderBytes;
        wiring.encodings = options.agreed;
        wiring.hash = true;
        wiring.progress = &progress_;
        wiring.fail = [this](Failure failure) {
            if (++failures == 1) first_.set_value(std::move(failure));
        };
        receivers.emplace(std::move(receiving), std::move(wiring));
        if (options.encoding.packet_bytes == 0) return;
        std::vector<Connection> sending;
        sending.push_back(std::move(pair_.ours));
        senders.emplace(std::move(sending), ChannelSenders::Wiring{.devices = {kGpu},
                                                                   .queue_packets = 8,
                                                                   .end_mark = true,
                                                                   .encoding = options.encoding,
                                                                   .fail = [](const Failure&) {},
                                                                   .progress = &progress_,
                                                                   .pacer = options.pacer});
    }
    ~Path() { inbound_.abort(); }

    void submit(std::uint32_t idx, std::span<const std::byte> data, bool config = false) {
        OutboundPacket packet;
        packet.idx = idx;
        packet.data = data;
        packet.config = config;
        REQUIRE(senders->submit(std::move(packet)));
    }
    /// The bytes of the next packet, whose hash is right.
    Bytes take(std::span<const std::byte> lent_place = {}) {
        auto next = std::async(std::launch::async, [&] { return inbound_.next(DeviceId{0}); });
        const bool came = next.wait_for(kPatience) == std::future_status::ready;
        if (!came) inbound_.abort();
        REQUIRE(came);
        const auto delivery = next.get();
        REQUIRE(delivery);
        const auto& claim = delivery->claim;
        const std::span<const std::byte> place =
            lent_place.empty() ? inbound_.buffer(claim) : lent_place;
        CHECK((claim.config || delivery->hash == hash_of(place)));
        Bytes bytes(place.begin(), place.end());
        Refusal refusal;
        REQUIRE(inbound_.loaded(DeviceId{0}, refusal));
        return bytes;
    }
    Failure failure() {
        auto first = first_.get_future();
        REQUIRE(first.wait_for(kPatience) == std::future_status::ready);
        return first.get();
    }
    Connection& peer() { return pair_.ours; }
    [[nodiscard]] std::size_t queued_bytes() const { return inbound_.queued_bytes(); }

    std::atomic<int> failures = 0;

  private:
    ConnectionPair pair_;
    DeviceDirectory directory_;
    InboundPackets inbound_;
    std::atomic<std::uint64_t> progress_ = 0;
    std::promise<Failure> first_;

  public:
    std::optional<ChannelReceivers> receivers;
    std::optional<ChannelSenders> senders;
};

inline EncodingChoice everything(int level = 1) {
    return {.zero_tail = true,
            .zero_blocks = true,
            .zstd = true,
            .automatic = false,
            .zstd_level = level,
            .packet_bytes = kPacket,
            .devices = 1};
}

inline Bytes packet(PacketEncoding encoding, std::uint32_t raw_bytes, const Bytes& data) {
    std::array<std::byte, kEncodedPrologueBytes> head{};
    encode(DeviceStateHeader{.idstr = "gpu0",
                             .data_bytes = static_cast<std::uint32_t>(data.size()),
                             .encoding = encoding,
                             .raw_bytes = raw_bytes},
           head);
    Bytes bytes(head.size() + data.size());
    std::ranges::copy(data, std::ranges::copy(head, bytes.begin()).out);
    return bytes;
}

inline Bytes with_zeros_from(Bytes bytes, std::size_t first) {
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(first), bytes.end(), std::byte{0});
    return bytes;
}

}  // namespace multifd
