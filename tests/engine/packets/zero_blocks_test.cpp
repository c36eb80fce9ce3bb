// Packets without their blocks of zeros: through senders, over sockets, into receivers.
#include <catch2/catch.hpp>
#include <chrono>

#include "channels/wire/zero_blocks.hpp"
#include "engine/packets/packet_decoder.hpp"
#include "tests/engine/packets/packet_path.hpp"

namespace multifd {
namespace {

constexpr std::size_t kBlock = kZeroBlockBytes;
constexpr std::size_t kMapBytes = zero_block_map_bytes(kPacket);

EncodingChoice without_zstd() {
    auto choice = everything();
    choice.zstd = false;
    return choice;
}

Bytes with_zeros(Bytes bytes, std::size_t offset, std::size_t size) {
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), size, std::byte{0});
    return bytes;
}

Bytes every_other_block() {
    Bytes state = random_bytes(kPacket);
    for (std::size_t at = 0; at < kPacket; at += 2 * kBlock) {
        state = with_zeros(std::move(state), at, kBlock);
    }
    return state;
}

/// How `choice` encodes `state`, in what size.
std::pair<PacketEncoding, std::size_t> encoded(const EncodingChoice& choice, const Bytes& state) {
    ChannelCounters counters;
    PacketEncoder encoder(choice, counters);
    const auto packet = encoder.encode(DeviceId{0}, state);
    return {packet.encoding, packet.bytes()};
}

}  // namespace

TEST_CASE("each packet takes the smallest form that costs no compression", "[engine]") {
    using Form = std::pair<PacketEncoding, std::size_t>;
    const auto choice = without_zstd();
    const Bytes random = random_bytes(kPacket);
    CHECK(encoded(choice, random) == Form{PacketEncoding::raw, kPacket});
    CHECK(encoded(choice, Bytes(kPacket)) == Form{PacketEncoding::zero_tail, 0});
    CHECK(encoded(choice, Bytes(1)) == Form{PacketEncoding::zero_tail, 0});
    CHECK(encoded(choice, with_zeros_from(random, 3 * kBlock)) ==
          Form{PacketEncoding::zero_tail, 3 * kBlock});
    CHECK(encoded(choice, with_zeros(random, 0, 2 * kBlock)) ==
          Form{PacketEncoding::zero_blocks, kMapBytes + kPacket - 2 * kBlock});
    CHECK(encoded(choice, with_zeros(random, 7 * kBlock + 100, 3 * kBlock)) ==
          Form{PacketEncoding::zero_blocks, kMapBytes + kPacket - 2 * kBlock});
    // A stretch without a whole block.
    CHECK(encoded(choice, with_zeros(random, 7 * kBlock + 1, 2 * kBlock - 2)) ==
          Form{PacketEncoding::raw, kPacket});
    // Both in the middle and at the end: the block where the tail begins goes whole.
    CHECK(encoded(choice, with_zeros_from(with_zeros(random, 0, 2 * kBlock), 3 * kBlock + 1)) ==
          Form{PacketEncoding::zero_blocks, kMapBytes + 2 * kBlock});
    CHECK(encoded(choice, every_other_block()) ==
          Form{PacketEncoding::zero_blocks, kMapBytes + kPacket / 2});
}

TEST_CASE("without the feature blocks of zeros travel, and the tail alone does not", "[engine]") {
    auto choice = without_zstd();
    choice.zero_blocks = false;
    const Bytes hollow = with_zeros(random_bytes(kPacket), 0, 8 * kBlock);
    CHECK(encoded(choice, hollow).first == PacketEncoding::raw);
    CHECK(encoded(choice, with_zeros_from(hollow, 9 * kBlock)).second == 9 * kBlock);
    choice = without_zstd();
    choice.zero_tail = false;
    CHECK(encoded(choice, Bytes(kPacket)) == std::pair{PacketEncoding::zero_blocks, kMapBytes});
    CHECK(encoded(choice, Bytes(10)).first == PacketEncoding::raw);
}

TEST_CASE(
    "zstd takes packets with zeros in them, and what it cannot shrink enough goes without "
    "its blocks",
    "[engine]") {
    const Bytes hollow = with_zeros(random_bytes(kPacket), kBlock, 8 * kBlock);
    CHECK(encoded(everything(), hollow).first == PacketEncoding::zstd);
    CHECK(encoded(everything(), Bytes(kPacket)).first == PacketEncoding::zero_tail);
    const Bytes one_block = with_zeros(random_bytes(kPacket), 8 * kBlock, kBlock - 60);
    CHECK(encoded(everything(), one_block).first == PacketEncoding::raw);
    auto choice = everything();
    choice.packet_bytes = 64 * kPacket;
    Bytes large = random_bytes(64 * kBlock);
    large = with_zeros(std::move(large), 8 * kBlock, kBlock);
    CHECK(encoded(choice, large).first == PacketEncoding::zero_blocks);
}

TEST_CASE("a sample does not stand for the packet before", "[engine]") {
    auto choice = everything();
    choice.automatic = true;
    choice.packet_bytes = 64 * kBlock;
    ChannelCounters counters;
    PacketEncoder encoder(choice, counters);
    const Bytes before = with_zeros(random_bytes(64 * kBlock), 0, kBlock);
    CHECK(encoder.encode(DeviceId{0}, before).encoding == PacketEncoding::zero_blocks);
    encoder.sent(4 * limits::kMiB);  // Enough that the next is sampled: its beginning.
    // A block that is only found behind a packet with zeros, and none in the sample.
    const Bytes state = with_zeros(random_bytes(64 * kBlock), 20 * kBlock, kBlock);
    const auto packet = encoder.encode(DeviceId{0}, state);
    CHECK(counters.coding.us() > 0);
    CHECK(packet.encoding == PacketEncoding::zero_blocks);
}

TEST_CASE("auto compresses for what it gains beyond the zeros", "[engine]") {
    auto choice = everything();
    choice.automatic = true;
    ChannelCounters counters;
    PacketEncoder encoder(choice, counters);
    // Nine tenths of it are zeros, and the rest is random: no compressor gains anything.
    const Bytes hollow = with_zeros(random_bytes(kPacket), 1 * kBlock, 14 * kBlock);
    for (int i = 0; i < 1000; ++i) {
        const auto packet = encoder.encode(DeviceId{0}, hollow);
        REQUIRE(packet.encoding == PacketEncoding::zero_blocks);
        // A link that takes longer for the whole packet than a compressor does.
        const auto sent_at = Clock::now() + std::chrono::microseconds(50);
        while (Clock::now() < sent_at) continue;
        encoder.sent(packet.bytes());
    }
    CHECK(counters.coding.us() > 0);  // It has tried.
}

TEST_CASE("packets without their zeros arrive whole, in buffers and in lent memory", "[engine]") {
    const bool lends = GENERATE(true, false);
    const bool paced = GENERATE(true, false);
    CAPTURE(lends, paced);
    const std::vector<Bytes> states{with_zeros(random_bytes(kPacket), 0, 2 * kBlock),
                                    every_other_block(),
                                    with_zeros(random_bytes(kPacket, 2), 777, 9 * kBlock),
                                    random_bytes(kPacket),
                                    Bytes(kPacket),
                                    with_zeros(random_bytes(kPacket, 3), kPacket - 100, 99)};
    Bytes memory(lends ? states.size() * kPacket : 0, kUntouched);
    std::atomic<std::uint64_t> progress = 0;
    SendPacer pacer(progress, std::chrono::milliseconds(1));
    if (paced) pacer.set_rate(2'000'000);  // Pieces of 16 KiB, and runs of many sizes.
    const auto began = Clock::now();
    Path path({.encoding = without_zstd(), .lent = memory, .pacer = &pacer});
    for (std::uint32_t idx = 0; idx < states.size(); ++idx) path.submit(idx, states[idx]);
    for (std::size_t idx = 0; idx < states.size(); ++idx) {
        CAPTURE(idx);
        const auto place =
            lends ? std::span(memory).subspan(idx * kPacket, kPacket) : std::span<std::byte>();
        CHECK(path.take(place) == states[idx]);
    }
    const auto took = Clock::now() - began;
    path.senders->finish();
    path.receivers->join();
    CHECK(path.failures == 0);
    const auto& sent = path.senders->counters()[0];
    const std::size_t blocks = (14 + 8 + 8 + 16 + 16) * kBlock;
    CHECK(sent.bytes.value() == blocks + 3 * kMapBytes + 4 * kEncodedPrologueBytes +
                                    2 * kDeviceStatePrologueBytes + kPacketPrefixBytes);
    CHECK(sent.raw_bytes.value() == states.size() * kPacket);
    CHECK(path.receivers->counters()[0].bytes.value() == sent.bytes.value());
    CHECK(path.receivers->counters()[0].raw_bytes.value() == sent.raw_bytes.value());
    CHECK(path.senders->traffic()[0].encoded_packets == 4);
    // What leaves is held to the rate, not what it stands for.
    const double seconds = std::chrono::duration<double>(took).count();
    if (paced) CHECK(seconds > 0.8 * static_cast<double>(sent.bytes.value()) / 2e6);
    if (paced) CHECK(pacer.waited().count() > 0);
}

TEST_CASE("a packet without its zeros that is damaged is refused, with device and idx",
          "[engine]") {
    struct Case {
        const char* name;
        std::byte map;
        std::size_t run_bytes;
        ErrorCode expected;
    };
    const auto one = GENERATE(values<Case>({
        {"a bit beyond the last block", std::byte{0x90}, kBlock, Errc::zero_blocks_malformed},
        {"a block too many", std::byte{0xc0}, kBlock, Errc::zero_blocks_malformed},
        {"a byte too many", std::byte{0x80}, kBlock + 1, Errc::zero_blocks_malformed},
    }));
    INFO(one.name);
    Path path({});
    Bytes data(1 + one.run_bytes, std::byte{7});
    data[0] = one.map;
    REQUIRE(write_all(path.peer(), packet(PacketEncoding::zero_blocks, 3 * kBlock, data)));
    const auto failure = path.failure();
    CHECK(failure.code == one.expected);
    CHECK(failure.device == kGpu);
    CHECK(failure.idx == 0U);
    CHECK(failure.channel == ChannelId{0});
}

TEST_CASE("a packet without its zeros cut at any byte has closed early", "[engine]") {
    Bytes data(1 + kBlock, std::byte{7});
    data[0] = std::byte{0x40};
    const auto whole = packet(PacketEncoding::zero_blocks, 2 * kBlock, data);
    const std::size_t cut = GENERATE(287U, 288U, 291U, 292U, 293U, 294U, 4388U);
    CAPTURE(cut);
    REQUIRE(cut < whole.size());
    Path path({});
    REQUIRE(write_all(path.peer(), std::span(whole).first(cut)));
    path.peer() = Connection();
    CHECK(path.failure().code == Errc::channel_closed_early);
}

TEST_CASE(
    "a packet without its zeros is refused where that was not agreed, and counts for what "
    "it stands for",
    "[engine]") {
    const auto bytes = packet(PacketEncoding::zero_blocks, 2 * kBlock, Bytes(1));
    SECTION("not agreed") {
        PacketEncodings others = kEveryEncoding;
        others.zero_blocks = false;
        Path path({.agreed = others});
        REQUIRE(write_all(path.peer(), bytes));
        CHECK(path.failure().code == Errc::packet_flags_unknown);
        CHECK(path.queued_bytes() == 0);
    }
    SECTION("the budget") {
        Path path({});
        REQUIRE(write_all(path.peer(), std::span(bytes).first(kEncodedPrologueBytes)));
        CHECK(await([&] { return path.queued_bytes() == kPacket; }));
    }
    SECTION("no room for its map") {
        Path path({});
        REQUIRE(write_all(path.peer(), packet(PacketEncoding::zero_blocks, 2 * kBlock, {})));
        CHECK(path.failure().code == Errc::zero_blocks_malformed);
        CHECK(path.queued_bytes() == 0);
    }
}

}  // namespace multifd
