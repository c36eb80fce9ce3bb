// Packets from the peer's bytes to the place where they belong, and every way in which they do not.
#include "engine/packets/channel_receivers.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <future>
#include <set>

#include "channels/wire/ram_packet.hpp"
#include "engine/packets/transfer_digest.hpp"
#include "tests/engine/sessions/scripted_device.hpp"
#include "tests/support/connection_pair.hpp"

namespace multifd {
namespace {

constexpr std::size_t kPacket = 4096;
constexpr std::byte kUntouched{0xee};

const DeviceIdentity kGpu{"gpu0", 0};
const DeviceIdentity kNic{"nic", 3};

/// Receivers of two devices over socket pairs, with the first failure kept.
class Reception {
  public:
    struct Options {
        std::size_t channels = 1;
        bool qemu = false;
        bool hash = true;
        std::span<std::byte> lent{};  ///< The memory that gpu0 lends.
        std::size_t packet = kPacket;
    };
    explicit Reception(Options options)
        : pairs_(options.channels),
          directory_({kGpu, kNic}),
          inbound_({.buffer_bytes = options.packet,
                    .buffers = 8,
                    .channels = static_cast<std::uint32_t>(options.channels)},
                   2) {
        Refusal ignored;
        if (!options.qemu) REQUIRE(inbound_.watch_for_gaps(ignored));
        std::vector<Connection> connections;
        for (auto& pair : pairs_) connections.push_back(std::move(pair.ours));
        ChannelReceivers::Wiring wiring;
        wiring.inbound = &inbound_;
        wiring.directory = &directory_;
        wiring.devices = {kGpu, kNic};
        wiring.lent = {options.lent, {}};
        wiring.packet_bytes = options.packet;
        wiring.next_packet_bytes_max =
            options.qemu ? 16 * kPacket : options.packet + limits::kStateHeaderBytes;
        wiring.qemu = options.qemu;
        wiring.hash = options.hash;
        wiring.progress = &progress;
        wiring.fail = [this](Failure failure) {
            if (++failures == 1) first_.set_value(std::move(failure));
        };
        receivers_.emplace(std::move(connections), std::move(wiring));
    }
    ~Reception() { inbound_.abort(); }

    Connection& peer(std::size_t channel = 0) { return pairs_[channel].theirs; }
    void end_channel(std::size_t channel) {
        std::array<std::byte, kPacketPrefixBytes> mark{};
        encode_channel_end(mark);
        REQUIRE(write_all(peer(channel), mark));
        peer(channel).half_close();
    }
    ChannelReceivers& receivers() { return *receivers_; }
    InboundPackets& inbound() { return inbound_; }

    Failure failure() {
        auto first = first_.get_future();
        REQUIRE(first.wait_for(kPatience) == std::future_status::ready);
        return first.get();
    }
    /// The device's next packet.
    Delivery next(std::uint32_t device) {
        auto next = std::async(std::launch::async, [&] { return inbound_.next(DeviceId{device}); });
        const bool came = next.wait_for(kPatience) == std::future_status::ready;
        if (!came) inbound_.abort();
        REQUIRE(came);
        const auto delivery = next.get();
        REQUIRE(delivery);
        return *delivery;
    }
    void loaded(std::uint32_t device) {
        Refusal refusal;
        REQUIRE(inbound_.loaded(DeviceId{device}, refusal));
    }

    std::atomic<int> failures = 0;
    std::atomic<std::uint64_t> progress = 0;

  private:
    std::vector<ConnectionPair> pairs_;
    DeviceDirectory directory_;
    InboundPackets inbound_;
    std::promise<Failure> first_;
    std::optional<ChannelReceivers> receivers_;
};

std::vector<std::byte> head(const DeviceIdentity& device, std::uint32_t idx, std::size_t data_bytes,
                            bool config = false) {
    std::array<std::byte, kDeviceStatePrologueBytes> bytes{};
    encode(DeviceStateHeader{.idstr = device.idstr,
                             .instance_id = device.instance_id,
                             .idx = idx,
                             .config = config,
                             .data_bytes = static_cast<std::uint32_t>(data_bytes)},
           bytes);
    return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> packet(const DeviceIdentity& device, std::uint32_t idx,
                              std::span<const std::byte> data, bool config = false) {
    auto bytes = head(device, idx, data.size(), config);
    bytes.insert(bytes.end(), data.begin(), data.end());
    return bytes;
}

std::vector<std::byte> first_of(std::vector<std::byte> bytes, std::size_t size) {
    bytes.resize(size);
    return bytes;
}

/// Five normal pages of pc.ram; with `sync` an empty SYNC packet.
std::vector<std::byte> ram_packet(bool sync) {
    std::vector<std::byte> bytes(kRamHeaderBytes);
    const auto put = [&](std::size_t at, std::uint32_t value) {
        for (std::size_t i = 0; i < 4; ++i) {
            bytes[at + i] = static_cast<std::byte>(value >> (24 - 8 * i));
        }
    };
    const std::uint32_t pages = sync ? 0 : 5;
    put(0, 0x11223344);
    put(4, 1);
    put(8, sync ? 1 : 0);
    put(12, 128);
    put(16, pages);
    put(20, pages * 4096);
    if (!sync) std::memcpy(bytes.data() + 64, "pc.ram", 6);
    bytes.resize(bytes.size() + pages * 4096, kUntouched);
    return bytes;
}

}  // namespace

TEST_CASE("packets of several channels come out in the order of idx, with bytes and hash",
          "[engine]") {
    Reception reception({.channels = 2});
    const auto data = pattern(3 * kPacket);
    const auto part = [&](std::size_t idx) {
        return std::span(data).subspan(idx * kPacket, kPacket);
    };
    const auto first = packet(kGpu, 1, part(1));
    const auto second = packet(kGpu, 0, part(0));
    REQUIRE(write_all(reception.peer(1), first));
    REQUIRE(write_all(reception.peer(0), second));
    const auto config = packet(kGpu, 2, part(2).first(20), /*config=*/true);
    REQUIRE(write_all(reception.peer(0), config));
    for (std::uint32_t idx = 0; idx < 3; ++idx) {
        CAPTURE(idx);
        const auto delivery = reception.next(0);
        CHECK(delivery.claim.idx == idx);
        CHECK(delivery.claim.config == (idx == 2));
        const auto bytes = reception.inbound().buffer(delivery.claim);
        CHECK(std::ranges::equal(bytes, part(idx).first(bytes.size())));
        // A config state's hash leaves out its tokens: its load thread takes it.
        CHECK(delivery.hash == (idx == 2 ? 0 : hash_of(part(idx))));
        reception.loaded(0);
    }
    const auto counters = reception.receivers().counters();
    CHECK(counters[0].packets.value() == 2);
    CHECK(counters[0].bytes.value() == second.size() + config.size());
    CHECK(counters[1].packets.value() == 1);
    CHECK(counters[1].bytes.value() == first.size());
    CHECK(reception.progress == 3);
    CHECK(reception.failures == 0);
}

TEST_CASE("a packet larger than what is hashed at once has the hash of all of it", "[engine]") {
    constexpr std::size_t kLarge = 600'001;
    const bool lends = GENERATE(false, true);
    std::vector<std::byte> lent(lends ? kLarge : 0, kUntouched);
    Reception reception({.lent = lent, .packet = kLarge});
    const auto data = pattern(kLarge);
    REQUIRE(write_all(reception.peer(), packet(kGpu, 0, data)));
    const auto delivery = reception.next(0);
    CHECK(delivery.hash == hash_of(data));
    CHECK(std::ranges::equal(lends ? std::span(lent) : reception.inbound().buffer(delivery.claim),
                             data));
}

TEST_CASE("nothing is hashed when nothing is verified", "[engine]") {
    Reception reception({.hash = false});
    REQUIRE(write_all(reception.peer(), packet(kNic, 0, pattern(10))));
    CHECK(reception.next(1).hash == 0);
}

TEST_CASE("a channel ends by its mark; the last one that does shows what is missing", "[engine]") {
    Reception reception({.channels = 2});
    REQUIRE(write_all(reception.peer(0), packet(kGpu, 1, pattern(10))));
    reception.end_channel(0);
    REQUIRE(await([&] { return reception.receivers().counters()[0].bytes.value() == 310; }));
    CHECK(reception.failures == 0);
    reception.end_channel(1);
    const auto failure = reception.failure();
    CHECK(failure.code == Errc::idx_gap);
    CHECK(failure.device == kGpu);
    CHECK(failure.idx == 0U);
    reception.receivers().join();
    CHECK(reception.failures == 1);
}

TEST_CASE("nothing may stand behind a channel's end", "[engine]") {
    Reception reception({.channels = 2});
    std::array<std::byte, kPacketPrefixBytes + 1> more{};
    encode_channel_end(std::span(more).first<kPacketPrefixBytes>());
    REQUIRE(write_all(reception.peer(1), more));
    const auto failure = reception.failure();
    CHECK(failure.code == Errc::packet_unexpected);
    CHECK(failure.channel == ChannelId{1});
}

TEST_CASE("what a channel may not carry is refused, with its channel", "[engine]") {
    struct Case {
        const char* name;
        std::vector<std::byte> bytes;
        Errc expected;
    };
    auto wrong_magic = packet(kGpu, 0, pattern(4));
    wrong_magic[0] = std::byte{0};
    auto wrong_version = packet(kGpu, 0, pattern(4));
    wrong_version[7] = std::byte{9};
    auto compressed = packet(kGpu, 0, pattern(4));
    compressed[11] = std::byte{0x44};
    auto flags = packet(kGpu, 0, pattern(4));
    flags[8] = std::byte{0x10};
    const auto one = GENERATE_COPY(values<Case>({
        {"magic", wrong_magic, Errc::packet_magic_wrong},
        {"version", wrong_version, Errc::packet_version_wrong},
        {"flags", flags, Errc::packet_flags_unknown},
        {"compression", compressed, Errc::packet_compression_unsupported},
        {"too large", head(kGpu, 0, kPacket + 1), Errc::packet_too_large},
        {"RAM", ram_packet(false), Errc::packet_unexpected},
        {"SYNC", ram_packet(true), Errc::packet_unexpected},
        {"garbage", pattern(500), Errc::packet_magic_wrong},
    }));
    INFO(one.name);
    Reception reception({.channels = 2});
    REQUIRE(write_all(reception.peer(1), one.bytes));
    const auto failure = reception.failure();
    CHECK(failure.code == one.expected);
    CHECK(failure.channel == ChannelId{1});
    CHECK_FALSE(failure.detail.empty());
}

TEST_CASE("a packet of a device that this end does not have is refused by its name", "[engine]") {
    Reception reception({});
    const auto stranger = GENERATE(DeviceIdentity{"gpu1", 0}, DeviceIdentity{"gpu0", 1});
    REQUIRE(write_all(reception.peer(), head(stranger, 5, 10)));
    const auto failure = reception.failure();
    CHECK(failure.code == Errc::device_unknown);
    CHECK(failure.channel == ChannelId{0});
    CHECK_FALSE(failure.device);
    CHECK_THAT(failure.detail, Catch::Contains(stranger.idstr));
}

TEST_CASE("a packet out of order is refused with device, idx and channel", "[engine]") {
    Reception reception({.channels = 2});
    REQUIRE(write_all(reception.peer(0), packet(kNic, 2, pattern(10))));
    REQUIRE(await([&] { return reception.progress == 1; }));
    REQUIRE(write_all(reception.peer(1), packet(kNic, 2, pattern(10))));
    const auto failure = reception.failure();
    CHECK(failure.code == Errc::idx_duplicate);
    CHECK(failure.device == kNic);
    CHECK(failure.idx == 2U);
    CHECK(failure.channel == ChannelId{1});
}

TEST_CASE("a channel that closes at any byte has closed early", "[engine]") {
    const auto whole = packet(kGpu, 0, pattern(20));
    const std::set<std::size_t> cuts{0,           1, 11, 12, 13, 287, 288, 289, whole.size() - 1,
                                     whole.size()};
    for (const auto cut : cuts) {
        CAPTURE(cut);
        Reception reception({});
        REQUIRE(write_all(reception.peer(), std::span(whole).first(cut)));
        reception.peer() = Connection();
        const auto failure = reception.failure();
        CHECK(failure.code == Errc::channel_closed_early);
        CHECK(failure.channel == ChannelId{0});
        // Once the head was there, the packet is known.
        const bool inside_payload = cut >= 288 && cut < whole.size();
        CHECK(failure.device.has_value() == inside_payload);
        CHECK(failure.idx.has_value() == inside_payload);
    }
}

TEST_CASE("a device that lends gets its bytes where they belong, config states apart", "[engine]") {
    std::vector<std::byte> memory(2 * kPacket + 100, kUntouched);
    const auto data = pattern(memory.size());
    Reception reception({.lent = memory});
    const auto all = std::span(data);
    REQUIRE(write_all(reception.peer(), packet(kGpu, 2, all.subspan(2 * kPacket))));
    REQUIRE(write_all(reception.peer(), packet(kGpu, 0, all.first(kPacket))));
    REQUIRE(write_all(reception.peer(), packet(kGpu, 1, all.subspan(kPacket, kPacket))));
    REQUIRE(write_all(reception.peer(), packet(kGpu, 3, all.first(30), /*config=*/true)));
    for (std::uint32_t idx = 0; idx < 4; ++idx) {
        const auto delivery = reception.next(0);
        CHECK(delivery.claim.idx == idx);
        if (idx < 3)
            CHECK(delivery.hash == hash_of(all.subspan(idx * kPacket, delivery.claim.bytes)));
        if (idx == 3) {
            CHECK(std::ranges::equal(reception.inbound().buffer(delivery.claim), all.first(30)));
        }
        reception.loaded(0);
    }
    CHECK(memory == data);
}

TEST_CASE("what does not fit its place in lent memory is refused before a byte is written",
          "[engine]") {
    struct Case {
        const char* name;
        std::uint32_t idx;
        std::size_t bytes;
        Errc expected;
    };
    const auto one = GENERATE(values<Case>({
        {"short, in the middle", 0, kPacket - 1, Errc::packet_size_disagree},
        {"empty, in the middle", 1, 0, Errc::packet_size_disagree},
        {"short of the end", 2, 99, Errc::packet_size_disagree},
        {"over the end", 2, 101, Errc::packet_too_large},
        {"behind the end", 3, 1, Errc::packet_too_large},
        {"far behind the end", 7, kPacket, Errc::packet_too_large},
    }));
    INFO(one.name);
    std::vector<std::byte> memory(2 * kPacket + 100, kUntouched);
    Reception reception({.lent = memory});
    const auto bytes = packet(kGpu, one.idx, pattern(one.bytes));
    REQUIRE(write_all(reception.peer(), bytes));
    const auto failure = reception.failure();
    CHECK(failure.code == one.expected);
    CHECK(failure.device == kGpu);
    CHECK(failure.idx == one.idx);
    reception.receivers().abort();
    reception.receivers().join();
    CHECK(std::ranges::count(memory, kUntouched) == static_cast<std::ptrdiff_t>(memory.size()));
}

TEST_CASE("a duplicate overwrites nothing in lent memory, loaded or not", "[engine]") {
    const bool load_first = GENERATE(false, true);
    CAPTURE(load_first);
    std::vector<std::byte> memory(2 * kPacket, kUntouched);
    const auto data = pattern(kPacket, 1);
    Reception reception({.channels = 2, .lent = memory});
    REQUIRE(write_all(reception.peer(0), packet(kGpu, 0, data)));
    CHECK(reception.next(0).claim.idx == 0);
    if (load_first) reception.loaded(0);
    REQUIRE(write_all(reception.peer(1), packet(kGpu, 0, pattern(kPacket, 2))));
    CHECK(reception.failure().code == Errc::idx_duplicate);
    reception.receivers().abort();
    reception.receivers().join();
    CHECK(std::ranges::equal(std::span(memory).first(kPacket), data));
    CHECK(std::ranges::count(std::span(memory).subspan(kPacket), kUntouched) ==
          static_cast<std::ptrdiff_t>(kPacket));
}

TEST_CASE("of a QEMU peer RAM and SYNC packets are skipped, and closing is an end", "[engine]") {
    Reception reception({.qemu = true});
    const auto data = pattern(10);
    for (const auto& bytes : {ram_packet(true), ram_packet(false), packet(kGpu, 0, data),
                              ram_packet(false), ram_packet(true)}) {
        REQUIRE(write_all(reception.peer(), bytes));
    }
    reception.peer() = Connection();
    const auto delivery = reception.next(0);
    CHECK(std::ranges::equal(reception.inbound().buffer(delivery.claim), data));
    reception.receivers().join();
    CHECK(reception.failures == 0);
    CHECK(reception.receivers().counters()[0].packets.value() == 1);
}

TEST_CASE("of a QEMU peer a channel end is no packet, and a RAM packet may not be cut",
          "[engine]") {
    Reception reception({.qemu = true});
    SECTION("our end mark") {
        reception.end_channel(0);
        CHECK(reception.failure().code == Errc::packet_flags_unknown);
    }
    SECTION("a cut in the header") {
        REQUIRE(write_all(reception.peer(), first_of(ram_packet(false), 1000)));
        reception.peer() = Connection();
        CHECK(reception.failure().code == Errc::channel_closed_early);
    }
    SECTION("a cut in the pages") {
        REQUIRE(write_all(reception.peer(), first_of(ram_packet(false), 5000)));
        reception.peer() = Connection();
        CHECK(reception.failure().code == Errc::channel_closed_early);
    }
    SECTION("a header that contradicts itself") {
        auto bytes = ram_packet(false);
        bytes[19] = std::byte{3};
        REQUIRE(write_all(reception.peer(), bytes));
        CHECK(reception.failure().code == Errc::ram_packet_malformed);
    }
}

TEST_CASE("an abort ends receivers that read and receivers that are paused", "[engine]") {
    Reception reception({.channels = 2});
    // Of nine buffers, the over-limit one included, none is for idx 9 while idx 0 is missing.
    for (std::uint32_t idx = 1; idx <= 9; ++idx) {
        REQUIRE(write_all(reception.peer(0), packet(kGpu, idx, pattern(10))));
    }
    REQUIRE(await([&] { return reception.progress == 8; }));
    reception.inbound().abort();
    reception.receivers().abort();
    auto joining = std::async(std::launch::async, [&] { reception.receivers().join(); });
    REQUIRE(joining.wait_for(kPatience) == std::future_status::ready);
    CHECK(reception.progress == 8);
}

}  // namespace multifd
