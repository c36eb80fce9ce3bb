// The single submission point: one order in, a subsequence of it out on every channel.
#include "engine/packets/channel_senders.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <future>
#include <set>

#include "channels/transport/connector.hpp"
#include "channels/transport/listening_socket.hpp"
#include "channels/wire/device_state_packet.hpp"
#include "tests/engine/sessions/scripted_device.hpp"
#include "tests/support/connection_pair.hpp"

namespace multifd {
namespace {

/// One packet as a peer reads it.
struct Received {
    std::string device;
    std::uint32_t idx = 0;
    bool config = false;
    std::vector<std::byte> data;
};

/// A channel's bytes: its packets, and whether the end mark is the last.
struct ChannelStory {
    std::vector<Received> packets;
    bool end_mark = false;
    std::size_t bytes = 0;
};

ChannelStory story_of(std::span<const std::byte> bytes) {
    ChannelStory story{.packets = {}, .end_mark = false, .bytes = bytes.size()};
    while (!bytes.empty()) {
        REQUIRE(bytes.size() >= kPacketPrefixBytes);
        const auto prefix = decode_packet_prefix(bytes.first<kPacketPrefixBytes>());
        REQUIRE(prefix.has_value());
        if (prefix->kind == PacketKind::channel_end) {
            story.end_mark = bytes.size() == kPacketPrefixBytes;
            return story;
        }
        REQUIRE(bytes.size() >= kDeviceStatePrologueBytes);
        const auto header = decode_device_state(bytes.first<kDeviceStatePrologueBytes>());
        REQUIRE(header.has_value());
        bytes = bytes.subspan(kDeviceStatePrologueBytes);
        REQUIRE(bytes.size() >= header->data_bytes);
        const auto data = bytes.first(header->data_bytes);
        story.packets.push_back(
            {to_string(DeviceIdentity{std::string(header->idstr), header->instance_id}),
             header->idx, header->config, std::vector<std::byte>(data.begin(), data.end())});
        bytes = bytes.subspan(data.size());
    }
    return story;
}

/// Senders over socket pairs, with the first failure kept.
class Sending {
  public:
    Sending(std::size_t channels, std::size_t queue_packets, bool end_mark,
            EncodingChoice encoding = {})
        : pairs_(channels) {
        std::vector<Connection> connections;
        for (auto& pair : pairs_) connections.push_back(std::move(pair.ours));
        senders.emplace(std::move(connections),
                        ChannelSenders::Wiring{
                            .devices = {{"gpu0", 0}, {"nic", 3}},
                            .queue_packets = queue_packets,
                            .end_mark = end_mark,
                            .encoding = encoding,
                            .fail =
                                [this](Failure failure) {
                                    if (++failures == 1) first_.set_value(std::move(failure));
                                },
                            .progress = &progress,
                            .pacer = &pacer,
                        });
    }
    Connection& peer(std::size_t channel) { return pairs_[channel].theirs; }
    bool submit(std::uint32_t device, std::uint32_t idx, std::span<const std::byte> data,
                bool config = false) {
        OutboundPacket packet;
        packet.device = DeviceId{device};
        packet.idx = idx;
        packet.config = config;
        packet.data = data;
        return senders->submit(std::move(packet));
    }
    Failure failure() {
        auto first = first_.get_future();
        REQUIRE(first.wait_for(kPatience) == std::future_status::ready);
        return first.get();
    }

    std::atomic<int> failures = 0;
    std::atomic<std::uint64_t> progress = 0;
    SendPacer pacer{progress, std::chrono::milliseconds(1)};

  private:
    std::vector<ConnectionPair> pairs_;
    std::promise<Failure> first_;

  public:
    std::optional<ChannelSenders> senders;  ///< Ends before what its threads use.
};

}  // namespace

TEST_CASE("every channel carries a subsequence of the one order of submission", "[engine]") {
    const std::size_t channels = GENERATE(1U, 3U, 8U);
    CAPTURE(channels);
    constexpr std::uint32_t kPackets = 300;
    const auto content = pattern(2 * kPackets);
    Sending sending(channels, 2, /*end_mark=*/true);
    std::vector<std::future<std::vector<std::byte>>> readers;
    for (std::size_t i = 0; i < channels; ++i) {
        readers.push_back(
            std::async(std::launch::async, [&, i] { return read_all(sending.peer(i)); }));
    }
    // The receiving side allows none without room for its tokens.
    const auto is_config = [](std::uint32_t n) { return n % 7 == 0 && n >= 16; };
    // Two devices in turns: packet n is idx n / 2 of device n % 2, and has n bytes.
    for (std::uint32_t n = 0; n < kPackets; ++n) {
        REQUIRE(sending.submit(n % 2, n / 2, std::span(content).subspan(n, n), is_config(n)));
    }
    sending.senders->finish();

    std::set<std::uint32_t> seen;
    for (std::size_t i = 0; i < channels; ++i) {
        CAPTURE(i);
        const auto story = story_of(readers[i].get());
        CHECK(story.end_mark);
        std::int64_t before = -1;
        for (const auto& packet : story.packets) {
            const auto n = 2 * packet.idx + (packet.device == "nic/3" ? 1 : 0);
            CHECK(before < n);
            before = n;
            CHECK(seen.insert(n).second);
            CHECK(packet.config == is_config(n));
            const auto expected = std::span(content).subspan(n, n);
            CHECK(std::ranges::equal(packet.data, expected));
        }
        const auto& counters = sending.senders->counters()[i];
        CHECK(counters.packets.value() == story.packets.size());
        CHECK(counters.bytes.value() == story.bytes);
    }
    CHECK(seen.size() == kPackets);
    CHECK(sending.progress == kPackets);
    CHECK(sending.failures == 0);
    CHECK_FALSE(sending.submit(0, 0, {}));
}

TEST_CASE("without the agreed mark a channel ends as QEMU's do: open, with nothing more",
          "[engine]") {
    Sending sending(1, 2, /*end_mark=*/false);
    const auto data = pattern(10);
    REQUIRE(sending.submit(0, 0, data));
    sending.senders->finish();
    const auto story = story_of(read_available(sending.peer(0)));
    CHECK(story.packets.size() == 1);
    CHECK_FALSE(story.end_mark);
    // Nothing to read, and not at its end: that would be seen at once.
    std::byte byte{};
    const auto rest = sending.peer(0).receive_some({&byte, 1}, Clock::now(), nullptr);
    CHECK(rest.error() == Errc::phase_timeout);
    sending.senders->join();
    CHECK(reads_end(sending.peer(0)));
}

TEST_CASE("a channel that breaks is reported with its packet", "[engine]") {
    Sending sending(1, 2, /*end_mark=*/true);
    const auto data = pattern(100);
    REQUIRE(sending.submit(1, 7, data));
    CHECK(read_exactly(sending.peer(0), 388).size() == 388);
    sending.peer(0) = Connection();
    REQUIRE(sending.submit(1, 8, data));
    const auto failure = sending.failure();
    CHECK(failure.code == Errc::channel_closed_early);
    CHECK(failure.device == DeviceIdentity{"nic", 3});
    CHECK(failure.idx == 8U);
    CHECK(failure.channel == ChannelId{0});
    CHECK_FALSE(failure.detail.empty());
}

TEST_CASE("a channel that breaks before its end mark is reported", "[engine]") {
    Sending sending(1, 2, /*end_mark=*/true);
    sending.peer(0) = Connection();
    sending.senders->finish();
    const auto failure = sending.failure();
    CHECK(failure.code == Errc::channel_closed_early);
    CHECK(failure.channel == ChannelId{0});
    CHECK_FALSE(failure.device);
}

TEST_CASE("an abort ends who submits and who sends, and says no end mark", "[engine]") {
    Sending sending(2, 1, /*end_mark=*/true);
    const auto data = pattern(16U << 20U);
    // More than the channels, the queue and the kernel take while nobody reads.
    auto submitting = std::async(std::launch::async, [&] {
        for (std::uint32_t idx = 0; idx < 10; ++idx) {
            if (!sending.submit(0, idx, data)) return idx;
        }
        return 10U;
    });
    REQUIRE_FALSE(read_exactly(sending.peer(0), 288).empty());
    REQUIRE_FALSE(read_exactly(sending.peer(1), 288).empty());
    sending.senders->abort();
    REQUIRE(submitting.wait_for(kPatience) == std::future_status::ready);
    CHECK(submitting.get() < 10);
    sending.senders->join();
    for (std::size_t i = 0; i < 2; ++i) {
        const auto left = read_all(sending.peer(i));
        CHECK(left.size() < data.size());
        CHECK(sending.senders->counters()[i].packets.value() == 0);
    }
    CHECK_FALSE(sending.submit(0, 0, {}));
}

TEST_CASE("an abort without anything in flight leaves no end mark either", "[engine]") {
    Sending sending(1, 2, /*end_mark=*/true);
    sending.senders->abort();
    sending.senders->abort();
    sending.senders->join();
    CHECK(reads_end(sending.peer(0)));
    CHECK(sending.failures == 0);
}

TEST_CASE("held to a rate, a packet leaves in pieces and arrives whole", "[engine]") {
    Sending sending(2, 2, /*end_mark=*/true);
    sending.pacer.set_rate(10'000'000);  // Pieces of 96 KiB.
    const auto data = pattern(300'001);
    auto first = std::async(std::launch::async, [&] { return read_all(sending.peer(0)); });
    auto second = std::async(std::launch::async, [&] { return read_all(sending.peer(1)); });
    for (std::uint32_t idx = 0; idx < 3; ++idx) REQUIRE(sending.submit(0, idx, data));
    REQUIRE(sending.submit(0, 3, {}));
    sending.senders->finish();
    std::size_t packets = 0;
    for (auto* reader : {&first, &second}) {
        const auto story = story_of(reader->get());
        CHECK(story.end_mark);
        for (const auto& packet : story.packets) {
            ++packets;
            CHECK((packet.idx == 3 ? packet.data.empty() : packet.data == data));
        }
    }
    CHECK(packets == 4);
}

TEST_CASE("channels hash what they send, in whatever form it leaves", "[engine]") {
    struct Case {
        const char* name;
        EncodingChoice encoding;
        std::uint64_t rate;
        std::size_t wire_bytes_max;          ///< Of all packets.
        std::uint32_t pre_copy_packets = 0;  ///< So many come first.
    };
    constexpr std::size_t kState = 600'001;  // More than is hashed at once.
    constexpr std::uint32_t kPackets = 6;
    const EncodingChoice zstd{
        .zero_tail = true, .zstd = true, .packet_bytes = kState, .devices = 1};
    const EncodingChoice zero_blocks{
        .zero_tail = true, .zero_blocks = true, .packet_bytes = kState};
    const auto form = GENERATE_COPY(values<Case>({
        {"raw", {}, 0, 3'700'000},
        {"zero tail", {.zero_tail = true}, 0, 2'400'000},
        {"zero blocks", zero_blocks, 0, 1'400'000},
        {"zero blocks, held to a rate", zero_blocks, 50'000'000, 1'400'000},
        {"zstd", zstd, 0, 2'400'000},
        {"held to a rate", {}, 50'000'000, 3'700'000},
        {"raw, pre-copy first", {}, 0, 3'700'000, 3},
        {"zero blocks, all of it pre-copy", zero_blocks, 0, 1'400'000, kPackets},
        {"zstd, pre-copy first", zstd, 0, 2'400'000, 1},
    }));
    INFO(form.name);
    Sending sending(2, 2, /*end_mark=*/true, form.encoding);
    if (form.rate != 0) sending.pacer.set_rate(form.rate);
    auto state = pattern(kState);
    std::ranges::fill(std::span(state).last(kState / 3), std::byte{0});
    std::ranges::fill(std::span(state).subspan(kState / 4, kState / 4), std::byte{0});
    const auto part = [&](std::uint32_t idx) {
        return std::span(state).subspan(idx, idx == 4 ? 0 : kState - kPackets);
    };
    auto first = std::async(std::launch::async, [&] { return read_all(sending.peer(0)).size(); });
    auto second = std::async(std::launch::async, [&] { return read_all(sending.peer(1)).size(); });
    TransferDigest target, expected;
    SentDigest digest(target, 0);
    for (std::uint32_t idx = 0; idx < kPackets; ++idx) {
        OutboundPacket packet;
        packet.idx = idx;
        packet.pre_copy = idx < form.pre_copy_packets;
        packet.data = part(idx);
        packet.digest = &digest;
        const auto flags = packet.pre_copy ? kStateFlagPreCopy : 0U;
        REQUIRE(sending.senders->submit(std::move(packet)));
        expected.fold(idx, flags, part(idx).size(), hash_of(part(idx)));
    }
    sending.senders->finish();
    CHECK(target.value() == expected.value());
    CHECK(first.get() + second.get() <= form.wire_bytes_max);
    CHECK(sending.failures == 0);
}

TEST_CASE("an abort ends a channel's wait for the rate", "[engine]") {
    Sending sending(1, 2, /*end_mark=*/true);
    sending.pacer.set_rate(1);
    const auto data = pattern(10'000);
    REQUIRE(sending.submit(0, 0, data));
    // The first piece left at once, the second waits for an hour.
    REQUIRE(read_exactly(sending.peer(0), 288 + 4096).size() == 288 + 4096);
    sending.pacer.abort();
    sending.senders->abort();
    sending.senders->join();
    CHECK(reads_end(sending.peer(0)));
    CHECK(sending.failures == 0);
}

TEST_CASE("a packet's buffer goes back to its pool once it has left", "[engine]") {
    BufferPool pool(4096, 1);
    Sending sending(1, 1, /*end_mark=*/true);
    for (std::uint32_t idx = 0; idx < 20; ++idx) {
        auto next = std::async(std::launch::async, [&] { return pool.acquire(); });
        const bool free = next.wait_for(kPatience) == std::future_status::ready;
        if (!free) pool.abort();
        REQUIRE(free);
        OutboundPacket packet;
        packet.idx = idx;
        packet.buffer = std::move(*next.get());
        packet.data = packet.buffer.bytes();
        REQUIRE(sending.senders->submit(std::move(packet)));
        REQUIRE(read_exactly(sending.peer(0), 288 + 4096).size() == 288 + 4096);
    }
    sending.senders->finish();
    CHECK(pool.in_use() == 0);
    CHECK(pool.peak_in_use() == 1);
}

TEST_CASE("a channel that is slow beside another path's is kept short, no other", "[engine]") {
    constexpr std::uint64_t kPackets = 40;
    const std::size_t paths = GENERATE(1U, 2U);
    CAPTURE(paths);
    const auto content = pattern(limits::kMiB);
    const ListeningSocket listening(*parse_address("tcp:127.0.0.1:0"));
    std::vector<Connection> ours, theirs;
    std::vector<int> sockets;
    for (int i = 0; i < 2; ++i) {
        ours.push_back(connect(listening.local_address(), patience(), nullptr).value());
        theirs.emplace_back(listening.accept().value().socket.release());
        sockets.push_back(ours.back().fd());
    }
    std::atomic<std::uint64_t> progress = 0;
    ChannelSenders senders(std::move(ours), {.devices = {{"gpu0", 0}},
                                             .paths = paths,
                                             .fail = [](Failure failure) { FAIL(failure.detail); },
                                             .progress = &progress});
    auto fast = std::async(std::launch::async, [&] { return read_all(theirs[0]).size(); });
    auto slow = std::async(std::launch::async, [&, began = Clock::now()] {
        // Longer than what a channel is not yet judged by, and than the other one takes for more.
        const bool late = await([&] {
            return progress >= kPackets - 1 && Clock::now() - began > std::chrono::milliseconds(60);
        });
        return late ? read_all(theirs[1]).size() : 0;
    });
    for (std::uint32_t idx = 0; idx < kPackets; ++idx) {
        OutboundPacket packet;
        packet.idx = idx;
        packet.data = content;
        REQUIRE(senders.submit(std::move(packet)));
    }
    senders.finish();
    const auto unsent_limit = [](int socket) {
        int bytes = -1;
        socklen_t size = sizeof bytes;
        (void)::getsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, &size);
        return bytes;
    };
    CHECK(unsent_limit(sockets[0]) == 0);
    CHECK((unsent_limit(sockets[1]) != 0) == (paths == 2));
    senders.join();
    CHECK(fast.get() + slow.get() >= kPackets * limits::kMiB);
}

}  // namespace multifd
