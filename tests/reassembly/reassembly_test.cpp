#include "reassembly/reassembly.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include "channels/wire/assert.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

constexpr std::size_t kBufferBytes = 4096;

/// A reassembly and the language to feed it; every step checks the invariants.
class Feed {
  public:
    explicit Feed(const ReassemblyLimits& limits = {.buffer_bytes = kBufferBytes,
                                                    .buffers = 8,
                                                    .channels = 3},
                  std::uint32_t devices = 2)
        : reassembly(limits, devices) {}

    /// What admit() says; a packet that is let in is claimed but not received.
    Result<std::optional<Claim>> admit(std::uint8_t channel, const Arrival& arrival) {
        auto result = reassembly.admit({channel}, arrival);
        reassembly.check_invariants();
        return result;
    }
    ErrorCode refusal(std::uint8_t channel, const Arrival& arrival) {
        const auto result = admit(channel, arrival);
        return result ? ErrorCode() : result.error();
    }
    /// Admitted, and received at once.
    bool bring(std::uint8_t channel, const Arrival& arrival) {
        const auto result = admit(channel, arrival);
        if (!result || !*result) return false;
        reassembly.received(**result, arrival.idx);
        reassembly.check_invariants();
        return true;
    }
    bool pauses(std::uint8_t channel, const Arrival& arrival) {
        const auto result = admit(channel, arrival);
        return result && !*result;
    }
    /// The idx that were loaded until there was no next one.
    std::vector<std::uint32_t> drain(std::uint32_t device) {
        std::vector<std::uint32_t> loaded;
        while (const auto delivery = reassembly.next({device})) {
            loaded.push_back(delivery->claim.idx);
            reassembly.loaded({device});
            reassembly.check_invariants();
        }
        return loaded;
    }
    void end_all_channels() {
        for (std::uint8_t channel = 0; channel < 3; ++channel) {
            reassembly.channel_ended({channel});
            reassembly.check_invariants();
        }
    }

    Reassembly reassembly;
};

Arrival data(std::uint32_t device, std::uint32_t idx, std::size_t bytes = kBufferBytes) {
    return {.device = {device}, .idx = idx, .bytes = bytes};
}

Arrival config(std::uint32_t device, std::uint32_t idx, std::size_t bytes = 100) {
    return {.device = {device}, .idx = idx, .bytes = bytes, .config = true};
}

constexpr ReassemblyLimits kOneBuffer{.buffer_bytes = kBufferBytes, .buffers = 1, .channels = 3};

TEST_CASE("each device's packets are delivered in order until its config state", "[reassembly]") {
    Feed feed;
    CHECK(feed.bring(0, data(0, 1)));
    CHECK(feed.bring(1, config(1, 0)));
    CHECK(feed.bring(2, config(0, 2)));
    CHECK(feed.drain(0).empty());
    CHECK(feed.drain(1) == std::vector<std::uint32_t>{0});
    CHECK(feed.reassembly.complete(DeviceId{1}));
    CHECK_FALSE(feed.reassembly.complete());
    CHECK(feed.bring(1, data(0, 0)));
    CHECK(feed.drain(0) == std::vector<std::uint32_t>{0, 1, 2});
    CHECK(feed.reassembly.complete());
    CHECK(feed.reassembly.queued_bytes() == 0);
    CHECK(feed.reassembly.peak_queued_bytes() == 3 * kBufferBytes);
}

TEST_CASE("a delivery says what was admitted and received", "[reassembly]") {
    Feed feed;
    const auto admitted = feed.admit(0, config(1, 0, 77));
    REQUIRE((admitted && *admitted));
    const Claim claim = **admitted;
    CHECK(claim == Claim{.device = {1}, .buffer = claim.buffer, .bytes = 77, .config = true});
    CHECK(claim.buffer < 8);
    CHECK_FALSE(feed.reassembly.next({1}));
    CHECK(feed.reassembly.received(claim, 0xabcd));
    REQUIRE(feed.reassembly.next({1}));
    CHECK(feed.reassembly.next({1})->claim == claim);
    CHECK(feed.reassembly.next({1})->hash == 0xabcd);
}

TEST_CASE("over budget only the next packet to write is admitted, with the one token",
          "[reassembly]") {
    Feed feed(kOneBuffer);
    REQUIRE(feed.bring(0, data(0, 1)));
    CHECK(feed.pauses(1, data(0, 2)));
    const auto next = feed.admit(0, data(0, 0));
    REQUIRE((next && *next));
    CHECK((*next)->buffer == kOverLimitBuffer);
    CHECK(feed.pauses(2, data(1, 0)));  // next of its device, but the token is taken
    CHECK(feed.reassembly.queued_bytes() == 2 * kBufferBytes);
    feed.reassembly.received(**next, 0);
    CHECK_FALSE(feed.reassembly.admissible({2}));
    feed.reassembly.loaded({0});  // the token is back
    CHECK(feed.reassembly.admissible({2}));
    CHECK_FALSE(feed.reassembly.admissible({1}));  // idx 1 has been received, but not written
    feed.reassembly.loaded({0});
    CHECK(feed.reassembly.admissible({1}));
    CHECK(feed.bring(1, data(0, 2)));
    CHECK(feed.reassembly.peak_queued_bytes() == 2 * kBufferBytes);
}

TEST_CASE("the budget counts whole buffers, however small the packets", "[reassembly]") {
    Feed feed(kOneBuffer);
    REQUIRE(feed.bring(0, data(0, 1, 1)));
    CHECK(feed.reassembly.queued_bytes() == kBufferBytes);
    CHECK(feed.pauses(0, data(0, 2, 0)));
}

TEST_CASE("a config state larger than a buffer waits for its turn and the token", "[reassembly]") {
    Feed feed;
    const Arrival large = config(0, 1, limits::kConfigPacketDataBytesMax);
    CHECK(feed.pauses(0, large));
    REQUIRE(feed.bring(1, data(0, 0)));
    CHECK_FALSE(feed.reassembly.admissible({0}));
    feed.drain(0);
    const auto admitted = feed.admit(0, large);
    REQUIRE((admitted && *admitted));
    CHECK((*admitted)->buffer == kOverLimitBuffer);
    CHECK(feed.reassembly.queued_bytes() == limits::kConfigPacketDataBytesMax);
    CHECK(over_limit_buffer_bytes(kBufferBytes) == limits::kConfigPacketDataBytesMax);
}

TEST_CASE("an idx beyond the window pauses its channel and is no error", "[reassembly]") {
    Feed feed({.buffer_bytes = kBufferBytes, .buffers = 8, .channels = 3, .window = 2});
    CHECK(feed.pauses(0, data(0, 2)));
    CHECK(feed.pauses(1, data(0, 0xfffffffe)));
    REQUIRE(feed.bring(2, data(0, 0)));
    CHECK(feed.drain(0).size() == 1);
    CHECK(feed.reassembly.admissible({0}));
    CHECK_FALSE(feed.reassembly.admissible({1}));
    CHECK_FALSE(feed.reassembly.admissible({2}));  // not paused
}

TEST_CASE("windows suit the budget, and all rings together stay small", "[reassembly]") {
    const auto window = [](std::uint32_t buffers, std::uint32_t devices) {
        return Reassembly({.buffer_bytes = 1, .buffers = buffers, .channels = 1}, devices).window();
    };
    CHECK(window(1, 1) == 64);
    CHECK(window(1000, 1) == 1000);
    CHECK(window(1'000'000, 4) == 65'536);
    CHECK(window(1'000'000, 4096) == 64);
}

enum class Shown : std::uint8_t { held, loaded, paused };

struct Violation {
    const char* name;
    Shown shown;
    Arrival first;
    Arrival wrong;
    Errc expected;
};

// The window is 6, so idx 9 pauses its channel while 0 has not been loaded.
TEST_CASE("each violation of order is its own error, from the first packet that shows it",
          "[reassembly]") {
    const auto [name, shown, first, wrong, expected] = GENERATE(values<Violation>({
        {"idx held", Shown::held, data(0, 1), data(0, 1), Errc::idx_duplicate},
        {"idx loaded", Shown::loaded, data(0, 0), data(0, 0), Errc::idx_duplicate},
        {"idx paused", Shown::paused, data(0, 9), data(0, 9), Errc::idx_duplicate},
        {"loaded idx as config", Shown::loaded, data(0, 0), config(0, 0), Errc::idx_duplicate},
        {"paused idx as config", Shown::paused, data(0, 9), config(0, 9), Errc::idx_duplicate},
        {"config idx again, held", Shown::held, config(0, 3), config(0, 3), Errc::idx_duplicate},
        {"config idx again, loaded", Shown::loaded, config(0, 0), config(0, 0),
         Errc::idx_duplicate},
        {"config idx again, paused", Shown::paused, config(0, 9), config(0, 9),
         Errc::idx_duplicate},
        {"config idx as data", Shown::held, config(0, 3), data(0, 3), Errc::idx_duplicate},
        {"config above", Shown::held, config(0, 3), config(0, 4), Errc::config_duplicate},
        {"config below", Shown::held, config(0, 3), config(0, 2), Errc::config_duplicate},
        {"config after loaded", Shown::loaded, config(0, 0), config(0, 7), Errc::config_duplicate},
        {"config beside paused", Shown::paused, config(0, 9), config(0, 2), Errc::config_duplicate},
        {"data above held", Shown::held, config(0, 3), data(0, 4), Errc::data_after_config},
        {"data above loaded", Shown::loaded, config(0, 0), data(0, 1), Errc::data_after_config},
        {"data above paused", Shown::paused, config(0, 9), data(0, 10), Errc::data_after_config},
        {"config below held", Shown::held, data(0, 5), config(0, 4), Errc::config_below_received},
        {"config below paused", Shown::paused, data(0, 9), config(0, 8),
         Errc::config_below_received},
    }));
    INFO(name);
    Feed feed({.buffer_bytes = kBufferBytes, .buffers = 8, .channels = 3, .window = 6});
    REQUIRE(feed.pauses(0, first) == (shown == Shown::paused));
    if (shown != Shown::paused) {
        feed.reassembly.received({.device = {0}, .idx = first.idx}, 0);
    }
    if (shown == Shown::loaded) REQUIRE(feed.drain(0).size() == 1);
    const std::size_t queued_bytes = feed.reassembly.queued_bytes();
    CHECK(feed.refusal(1, wrong) == expected);
    CHECK(feed.refusal(1, wrong) == expected);  // the first refusal left no trace
    CHECK(feed.reassembly.queued_bytes() == queued_bytes);
}

TEST_CASE("what no packet may be is refused", "[reassembly]") {
    Feed feed({.buffer_bytes = kBufferBytes, .buffers = 8, .channels = 3}, 3);
    REQUIRE(feed.reassembly.exclude({2}));
    constexpr std::size_t kConfigBytesMax = limits::kConfigPacketDataBytesMax;
    CHECK(feed.refusal(0, data(0, limits::kIdxReserved)) == Errc::idx_reserved);
    CHECK(feed.refusal(0, data(0, 0, kBufferBytes + 1)) == Errc::packet_too_large);
    CHECK(feed.refusal(0, config(0, 0, kConfigBytesMax + 1)) == Errc::config_too_large);
    CHECK(feed.refusal(0, data(2, 0)) == Errc::packet_unexpected);
    feed.reassembly.channel_ended({1});
    CHECK(feed.refusal(1, data(0, 0)) == Errc::packet_unexpected);
    CHECK(feed.bring(0, data(0, 0)));
}

TEST_CASE("devices that go another way are not waited for", "[reassembly]") {
    Feed feed;
    REQUIRE(feed.reassembly.exclude({0}));
    CHECK(feed.reassembly.complete(DeviceId{0}));
    REQUIRE(feed.bring(0, config(1, 0)));
    feed.drain(1);
    CHECK(feed.reassembly.complete());
    feed.end_all_channels();
    CHECK_FALSE(feed.reassembly.find_gap());
}

TEST_CASE("a device that has shown a packet cannot go another way any more", "[reassembly]") {
    Feed feed({.buffer_bytes = kBufferBytes, .buffers = 8, .channels = 3, .window = 2});
    SECTION("held") {
        REQUIRE(feed.bring(0, data(0, 0)));
    }
    SECTION("paused") {
        REQUIRE(feed.pauses(0, data(0, 2)));
    }
    CHECK_FALSE(feed.reassembly.exclude({0}));
    CHECK_FALSE(feed.reassembly.complete(DeviceId{0}));
    CHECK_FALSE(feed.refusal(1, data(0, 1)));
    CHECK(feed.reassembly.exclude({1}));
}

TEST_CASE("a gap is found when every channel is paused or ended and nothing can move",
          "[reassembly]") {
    Feed feed(kOneBuffer);
    REQUIRE(feed.bring(0, data(1, 1)));  // takes the only buffer
    CHECK(feed.pauses(0, data(1, 2)));
    CHECK(feed.pauses(1, data(1, 3)));
    CHECK_FALSE(feed.reassembly.find_gap());  // channel 2 may bring what is missing
    feed.reassembly.channel_ended({2});
    // Device 0 misses its first packet too, but nothing of it says that it was lost.
    CHECK(feed.reassembly.find_gap() == Gap{.device = {1}, .idx = 0});
}

TEST_CASE("a gap is named of the device that a channel is paused on", "[reassembly]") {
    Feed feed(kOneBuffer);
    REQUIRE(feed.bring(0, data(0, 1)));  // its idx 0 lies unread on channel 1, behind this:
    CHECK(feed.pauses(1, data(1, 1)));
    feed.reassembly.channel_ended({0});
    feed.reassembly.channel_ended({2});
    CHECK(feed.reassembly.find_gap() == Gap{.device = {1}, .idx = 0});
}

TEST_CASE("packets that are received, receiving or admissible are no gap", "[reassembly]") {
    Feed feed(kOneBuffer);
    SECTION("received, the load thread is slow") {
        REQUIRE(feed.bring(0, data(0, 0)));
        REQUIRE(feed.pauses(0, data(0, 1)));
        feed.reassembly.channel_ended({1});
        feed.reassembly.channel_ended({2});
        CHECK_FALSE(feed.reassembly.find_gap());
        feed.reassembly.loaded({0});
    }
    SECTION("being received") {
        const auto claim = feed.admit(0, data(0, 0));
        REQUIRE((claim && *claim));
        REQUIRE(feed.pauses(1, data(0, 1)));
        feed.reassembly.channel_ended({2});
        CHECK_FALSE(feed.reassembly.find_gap());
        feed.reassembly.received(**claim, 0);
        feed.reassembly.loaded({0});
        feed.reassembly.channel_ended({0});
    }
    // Now the paused packet fits, although its channel has not asked again.
    CHECK_FALSE(feed.reassembly.find_gap());
}

TEST_CASE("channels that end too early leave a gap at the next idx", "[reassembly]") {
    Feed feed;
    SECTION("of a device without any packet") {
        REQUIRE(feed.bring(0, config(1, 0)));
        feed.drain(1);
        feed.end_all_channels();
        CHECK(feed.reassembly.find_gap() == Gap{.device = {0}, .idx = 0});
    }
    SECTION("of a device without its config state") {
        REQUIRE(feed.bring(0, data(1, 0)));
        feed.drain(1);
        feed.end_all_channels();
        const auto gap = feed.reassembly.find_gap();
        REQUIRE(gap);
        CHECK(gap->idx == (gap->device.value == 0 ? 0U : 1U));
    }
    SECTION("of a device with packets beyond, rather than of one without any") {
        REQUIRE(feed.bring(0, data(1, 0)));
        REQUIRE(feed.bring(0, config(1, 2)));
        feed.drain(1);
        feed.end_all_channels();
        CHECK(feed.reassembly.find_gap() == Gap{.device = {1}, .idx = 1});
    }
}

TEST_CASE("a caller that breaks its own order is an internal error", "[reassembly]") {
    Feed feed(kOneBuffer);
    CHECK_THROWS_AS(feed.admit(3, data(0, 0)), InternalError);
    CHECK_THROWS_AS(feed.admit(0, data(2, 0)), InternalError);
    CHECK_THROWS_AS(feed.reassembly.loaded({0}), InternalError);
    REQUIRE(feed.bring(0, data(0, 1)));
    REQUIRE(feed.pauses(0, data(0, 2)));
    CHECK_THROWS_AS(feed.admit(0, data(0, 3)), InternalError);  // not what it is paused on
    CHECK_THROWS_AS(feed.reassembly.channel_ended({0}), InternalError);
}

TEST_CASE("the largest idx pauses its channel and is remembered", "[reassembly]") {
    Feed feed;
    CHECK(feed.pauses(0, config(0, limits::kIdxReserved - 1)));
    CHECK(feed.refusal(1, config(0, 4)) == Errc::config_duplicate);
    CHECK(feed.bring(1, data(0, 0)));
}

}  // namespace
}  // namespace multifd
