// The reassembly behind its lock: who waits, who is woken, and when a gap is certain.
#include "engine/packets/inbound_packets.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <future>
#include <random>
#include <thread>

#include "channels/wire/limits.hpp"
#include "tests/support/connection_pair.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBuffer = 4096;
constexpr DeviceId kFirst{0};
constexpr DeviceId kSecond{1};

Arrival arrival(DeviceId device, std::uint32_t idx, bool config = false) {
    return {.device = device, .idx = idx, .bytes = 100, .config = config};
}

/// Admits and receives a packet that nothing holds up.
void bring(InboundPackets& packets, ChannelId channel, const Arrival& packet) {
    Refusal refusal;
    const auto claim = packets.admit(channel, packet, refusal);
    REQUIRE(claim.has_value());
    packets.received(*claim, 0);
}

/// The device's next packet, which must be there already.
void load(InboundPackets& packets, DeviceId device, std::uint32_t idx) {
    auto next = std::async(std::launch::async, [&] { return packets.next(device); });
    const bool came = next.wait_for(kPatience) == std::future_status::ready;
    if (!came) packets.abort();
    REQUIRE(came);
    const auto delivery = next.get();
    REQUIRE(delivery);
    CHECK(delivery->claim.idx == idx);
}

}  // namespace

TEST_CASE("over its budget a channel waits until there is room, and memory stays bounded",
          "[engine]") {
    InboundPackets packets({.buffer_bytes = kBuffer, .buffers = 1, .channels = 2}, 2);
    Refusal refusal;
    bring(packets, ChannelId{0}, arrival(kFirst, 1));
    bring(packets, ChannelId{0}, arrival(kFirst, 0));  // With the over-limit token.
    std::atomic<bool> room = false;
    auto waiting = std::async(std::launch::async, [&] {
        Refusal none;
        const auto claim = packets.admit(ChannelId{1}, arrival(kSecond, 0), none);
        return claim.has_value() && room.load();
    });
    load(packets, kFirst, 0);
    room = true;
    REQUIRE(packets.loaded(kFirst, refusal));
    const bool woken = waiting.wait_for(kPatience) == std::future_status::ready;
    if (!woken) packets.abort();
    REQUIRE(woken);
    CHECK(waiting.get());
    CHECK(packets.peak_queued_bytes() <= 2 * kBuffer);
    CHECK(packets.queued_bytes() == 2 * kBuffer);
    CHECK(packets.next_idx(kFirst) == 1);
}

TEST_CASE("an abort wakes every channel and every load thread", "[engine]") {
    InboundPackets packets({.buffer_bytes = kBuffer, .buffers = 1, .channels = 2}, 2);
    bring(packets, ChannelId{0}, arrival(kFirst, 1));
    auto paused = std::async(std::launch::async, [&] {
        Refusal refusal;
        (void)packets.admit(ChannelId{0}, arrival(kFirst, 2), refusal);
        return refusal.code;
    });
    auto loading = std::async(std::launch::async, [&] { return packets.next(kFirst); });
    auto other = std::async(std::launch::async, [&] { return packets.next(kSecond); });
    packets.abort();
    packets.abort();
    REQUIRE(paused.wait_for(kPatience) == std::future_status::ready);
    REQUIRE(loading.wait_for(kPatience) == std::future_status::ready);
    REQUIRE(other.wait_for(kPatience) == std::future_status::ready);
    CHECK(paused.get() == Errc::cancelled);
    CHECK_FALSE(loading.get());
    CHECK_FALSE(other.get());

    Refusal refusal;
    CHECK(packets.admit(ChannelId{1}, arrival(kFirst, 0), refusal).error() == Errc::cancelled);
    CHECK_FALSE(packets.next(kFirst));
}

TEST_CASE("a refused packet says which, and leaves everything as it was", "[engine]") {
    InboundPackets packets({.buffer_bytes = kBuffer, .buffers = 4, .channels = 1}, 2);
    bring(packets, ChannelId{0}, arrival(kSecond, 3));
    Refusal refusal;
    CHECK(packets.admit(ChannelId{0}, arrival(kSecond, 3), refusal).error() == Errc::idx_duplicate);
    CHECK(refusal.code == Errc::idx_duplicate);
    CHECK(refusal.device == kSecond);
    CHECK(refusal.idx == 3U);
    CHECK(packets.queued_bytes() == kBuffer);
}

TEST_CASE("a gap is reported by whoever makes it certain", "[engine]") {
    InboundPackets packets({.buffer_bytes = kBuffer, .buffers = 1, .channels = 2}, 1);
    Refusal gap;
    SECTION("the last channel that ends") {
        REQUIRE(packets.watch_for_gaps(gap));
        REQUIRE(packets.channel_ended(ChannelId{0}, gap));
        CHECK(packets.channel_ended(ChannelId{1}, gap).error() == Errc::idx_gap);
        CHECK(gap.idx == 0U);
    }
    SECTION("the channel that pauses last") {
        REQUIRE(packets.watch_for_gaps(gap));
        bring(packets, ChannelId{0}, arrival(kFirst, 1));
        REQUIRE(packets.channel_ended(ChannelId{0}, gap));
        CHECK(packets.admit(ChannelId{1}, arrival(kFirst, 2), gap).error() == Errc::idx_gap);
        CHECK(gap.idx == 0U);
    }
    SECTION("the load thread that finds nothing more") {
        REQUIRE(packets.watch_for_gaps(gap));
        bring(packets, ChannelId{0}, arrival(kFirst, 0));
        REQUIRE(packets.channel_ended(ChannelId{0}, gap));
        REQUIRE(packets.channel_ended(ChannelId{1}, gap));
        load(packets, kFirst, 0);
        CHECK(packets.loaded(kFirst, gap).error() == Errc::idx_gap);
        CHECK(gap.idx == 1U);
    }
    SECTION("who begins to watch when it is certain already") {
        REQUIRE(packets.channel_ended(ChannelId{0}, gap));
        REQUIRE(packets.channel_ended(ChannelId{1}, gap));
        CHECK(packets.watch_for_gaps(gap).error() == Errc::idx_gap);
        CHECK(gap.idx == 0U);
    }
    CHECK(gap.code == Errc::idx_gap);
    CHECK(gap.device == kFirst);
}

TEST_CASE("a channel that waits learns of a gap that another made certain", "[engine]") {
    InboundPackets packets({.buffer_bytes = kBuffer, .buffers = 1, .channels = 2}, 1);
    Refusal ignored;
    REQUIRE(packets.watch_for_gaps(ignored));
    bring(packets, ChannelId{0}, arrival(kFirst, 1));
    auto waiting = std::async(std::launch::async, [&] {
        Refusal gap;
        (void)packets.admit(ChannelId{1}, arrival(kFirst, 2), gap);
        return gap.code;
    });
    // Whether channel 1 waits already or comes later, one of the two says it.
    const bool ended = packets.channel_ended(ChannelId{0}, ignored).has_value();
    const bool told = waiting.wait_for(ended ? kPatience : 0s) == std::future_status::ready;
    packets.abort();
    CHECK((told || !ended));
    CHECK(waiting.get() == (ended ? Errc::idx_gap : Errc::cancelled));
}

TEST_CASE("a complete device leaves no gap", "[engine]") {
    InboundPackets packets({.buffer_bytes = kBuffer, .buffers = 4, .channels = 1}, 2);
    Refusal refusal;
    REQUIRE(packets.exclude(kSecond));
    REQUIRE(packets.watch_for_gaps(refusal));
    bring(packets, ChannelId{0}, arrival(kFirst, 0));
    bring(packets, ChannelId{0}, arrival(kFirst, 1, /*config=*/true));
    CHECK_FALSE(packets.complete(kFirst));
    load(packets, kFirst, 0);
    REQUIRE(packets.loaded(kFirst, refusal));
    load(packets, kFirst, 1);
    REQUIRE(packets.loaded(kFirst, refusal));
    CHECK(packets.complete(kFirst));
    CHECK(packets.complete(kSecond));
    CHECK(packets.channel_ended(ChannelId{0}, refusal));
    CHECK(packets.queued_bytes() == 0);
}

TEST_CASE("a device that uses the main channel may have no packet, before or after", "[engine]") {
    InboundPackets packets({.buffer_bytes = kBuffer, .buffers = 4, .channels = 1}, 2);
    bring(packets, ChannelId{0}, arrival(kFirst, 0));
    CHECK(packets.exclude(kFirst).error() == Errc::multifd_disagree);
    REQUIRE(packets.exclude(kSecond));
    Refusal refusal;
    CHECK(packets.admit(ChannelId{0}, arrival(kSecond, 0), refusal).error() ==
          Errc::packet_unexpected);
    CHECK(refusal.device == kSecond);
}

TEST_CASE("a config state larger than a buffer has its place", "[engine]") {
    InboundPackets packets({.buffer_bytes = kBuffer, .buffers = 1, .channels = 1}, 1);
    Refusal refusal;
    const Arrival large{
        .device = kFirst, .idx = 0, .bytes = limits::kConfigPacketDataBytesMax, .config = true};
    const auto claim = packets.admit(ChannelId{0}, large, refusal);
    REQUIRE(claim.has_value());
    const auto place = packets.buffer(*claim);
    REQUIRE(place.size() == large.bytes);
    std::memset(place.data(), 0x5a, place.size());
}

TEST_CASE("across threads every device gets its packets in order, with their bytes", "[engine]") {
    const auto seed = std::random_device()();
    INFO("seed " << seed);
    constexpr std::uint32_t kDevices = 3, kChannels = 4, kPackets = 400, kBuffers = 5;
    InboundPackets packets({.buffer_bytes = kBuffer, .buffers = kBuffers, .channels = kChannels},
                           kDevices);
    // One global order, dealt out to the channels by chance.
    std::mt19937 random(seed);
    std::vector<std::vector<Arrival>> dealt(kChannels);
    for (std::uint32_t idx = 0; idx < kPackets; ++idx) {
        for (std::uint32_t device = 0; device < kDevices; ++device) {
            dealt[random() % kChannels].push_back(
                arrival(DeviceId{device}, idx, idx + 1 == kPackets));
        }
    }
    Refusal ignored;
    REQUIRE(packets.watch_for_gaps(ignored));
    const auto value_of = [](const Claim& claim) {
        return static_cast<unsigned char>(claim.device.value * 101 + claim.idx * 7);
    };
    std::atomic<int> wrong = 0;
    std::vector<std::future<void>> work;
    for (std::uint8_t channel = 0; channel < kChannels; ++channel) {
        work.push_back(std::async(std::launch::async, [&, channel] {
            Refusal refusal;
            for (const auto& packet : dealt[channel]) {
                const auto claim = packets.admit(ChannelId{channel}, packet, refusal);
                if (!claim) {
                    ++wrong;
                    return;
                }
                const auto place = packets.buffer(*claim);
                std::memset(place.data(), value_of(*claim), place.size());
                packets.received(*claim, packet.idx);
            }
            if (!packets.channel_ended(ChannelId{channel}, refusal)) ++wrong;
        }));
    }
    for (std::uint32_t device = 0; device < kDevices; ++device) {
        work.push_back(std::async(std::launch::async, [&, id = DeviceId{device}] {
            Refusal refusal;
            for (std::uint32_t idx = 0; idx < kPackets; ++idx) {
                const auto delivery = packets.next(id);
                if (!delivery || delivery->claim.idx != idx || delivery->hash != idx) {
                    ++wrong;
                    return;
                }
                const auto bytes = packets.buffer(delivery->claim);
                const std::byte expected{value_of(delivery->claim)};
                if (std::ranges::count(bytes, expected) != 100) ++wrong;
                if (!packets.loaded(id, refusal)) ++wrong;
            }
        }));
    }
    bool ended = true;
    for (auto& one : work) ended = ended && one.wait_for(kPatience) == std::future_status::ready;
    if (!ended) packets.abort();
    CHECK(ended);
    CHECK(wrong == 0);
    CHECK(packets.queued_bytes() == 0);
    CHECK(packets.peak_queued_bytes() <= (kBuffers + 1) * kBuffer);
    for (std::uint32_t device = 0; device < kDevices; ++device) {
        CHECK(packets.complete(DeviceId{device}));
    }
}

}  // namespace multifd
