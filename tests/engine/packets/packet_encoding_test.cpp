// Packets in other forms than their bytes: through senders, over sockets, into receivers.
#include <catch2/catch.hpp>

#include "engine/packets/packet_decoder.hpp"
#include "engine/packets/packet_encoder.hpp"
#include "tests/engine/packets/packet_path.hpp"

namespace multifd {

TEST_CASE("packets arrive as they were, in order, whatever form each travels in", "[engine]") {
    const bool zstd = GENERATE(true, false);
    CAPTURE(zstd);
    auto choice = everything();
    choice.zstd = zstd;
    Path path({.encoding = choice});
    const std::vector<Bytes> states{random_bytes(kPacket),
                                    wordy_bytes(kPacket),
                                    Bytes(kPacket),
                                    with_zeros_from(random_bytes(kPacket), 20'000),
                                    with_zeros_from(wordy_bytes(kPacket), kPacket - 1),
                                    Bytes(1),
                                    wordy_bytes(3000),
                                    random_bytes(1)};
    for (std::uint32_t idx = 0; idx < states.size(); ++idx) path.submit(idx, states[idx]);
    const Bytes config(200);
    path.submit(8, config, /*config=*/true);
    for (const auto& state : states) CHECK(path.take() == state);
    CHECK(path.take() == config);
    path.senders->finish();
    path.receivers->join();
    CHECK(path.failures == 0);

    const auto& sent = path.senders->counters()[0];
    const auto& received = path.receivers->counters()[0];
    const std::size_t raw_bytes = 5 * kPacket + 1 + 3000 + 1 + 200;
    CHECK(sent.raw_bytes.value() == raw_bytes);
    CHECK(received.raw_bytes.value() == raw_bytes);
    CHECK(sent.bytes.value() == received.bytes.value());
    CHECK(sent.bytes.value() < (zstd ? 3U : 4U) * kPacket);
    CHECK((sent.coding.us() > 0) == zstd);
    const auto& traffic = path.senders->traffic()[0];
    // The end mark belongs to no device.
    CHECK(traffic.wire_bytes == sent.bytes.value() - kPacketPrefixBytes);
    CHECK(path.receivers->traffic()[0].wire_bytes == traffic.wire_bytes);
    CHECK(traffic.encoded_packets == (zstd ? 6U : 3U));
    CHECK(path.receivers->traffic()[0].encoded_packets == traffic.encoded_packets);
}

TEST_CASE("a packet of zeros costs its header, with compression or without", "[engine]") {
    auto choice = everything();
    choice.zstd = GENERATE(true, false);
    Path path({.encoding = choice});
    const Bytes zeros(kPacket);
    path.submit(0, zeros);
    CHECK(path.take() == zeros);
    path.senders->finish();
    CHECK(path.senders->counters()[0].bytes.value() == kEncodedPrologueBytes + kPacketPrefixBytes);
    CHECK(path.senders->counters()[0].coding.us() == 0);
}

TEST_CASE("with nothing agreed every packet leaves as it is", "[engine]") {
    const std::vector<Bytes> states{Bytes(kPacket), wordy_bytes(kPacket), wordy_bytes(kPacket)};
    Path path({.encoding = {.packet_bytes = kPacket, .devices = 1}, .agreed = {}});
    for (std::uint32_t idx = 0; idx < states.size(); ++idx) {
        path.submit(idx, states[idx]);
        CHECK(path.take() == states[idx]);
    }
    path.senders->finish();
    CHECK(path.senders->counters()[0].bytes.value() ==
          3 * (kDeviceStatePrologueBytes + kPacket) + kPacketPrefixBytes);
}

TEST_CASE("encoded packets are unpacked where they belong in memory that a device lends",
          "[engine]") {
    Bytes memory(4 * kPacket, kUntouched);
    const std::vector<Bytes> states{wordy_bytes(kPacket), Bytes(kPacket), random_bytes(kPacket),
                                    with_zeros_from(random_bytes(kPacket), 100)};
    Path path({.encoding = everything(), .lent = memory});
    for (std::uint32_t idx = 0; idx < 4; ++idx) path.submit(idx, states[idx]);
    for (std::uint32_t idx = 0; idx < 4; ++idx) {
        CHECK(path.take(std::span(memory).subspan(idx * kPacket, kPacket)) == states[idx]);
    }
    CHECK(path.failures == 0);
}

TEST_CASE("a frame that is not what its packet declares is refused, with device and idx",
          "[engine]") {
    struct Case {
        const char* name;
        std::uint32_t raw_bytes;
        std::size_t state_bytes;
        std::size_t added;
        Errc expected;
    };
    const auto one = GENERATE(values<Case>({
        {"too much", 40'000, 50'000, 0, Errc::zstd_too_long},
        {"too little", 50'001, 50'000, 0, Errc::zstd_too_short},
        {"bytes behind it", 50'000, 50'000, 1, Errc::zstd_trailing_bytes},
        {"no frame", 50'000, 0, 100, Errc::zstd_corrupt},
    }));
    INFO(one.name);
    Path path({});
    ZstdCompressor compressor(1, kPacket);
    Bytes frame(kPacket);
    const auto state = wordy_bytes(one.state_bytes);
    frame.resize(state.empty() ? 0 : compressor.compress(state, frame).value_or(0));
    frame.resize(frame.size() + one.added, std::byte{1});
    REQUIRE(write_all(path.peer(), packet(PacketEncoding::zstd, one.raw_bytes, frame)));
    const auto failure = path.failure();
    CHECK(failure.code == one.expected);
    CHECK(failure.device == kGpu);
    CHECK(failure.idx == 0U);
    CHECK(failure.channel == ChannelId{0});
}

TEST_CASE("a declared size is refused before any memory is taken for it", "[engine]") {
    Path path({});
    REQUIRE(write_all(path.peer(), packet(PacketEncoding::zstd, kPacket + 1, Bytes(10))));
    CHECK(path.failure().code == Errc::packet_too_large);
    CHECK(path.queued_bytes() == 0);
}

TEST_CASE("the budget is taken for the declared size before a frame has come", "[engine]") {
    Path path({});
    const auto bytes = packet(PacketEncoding::zstd, 50'000, Bytes(100));
    REQUIRE(write_all(path.peer(), std::span(bytes).first(kEncodedPrologueBytes)));
    CHECK(await([&] { return path.queued_bytes() == kPacket; }));
}

TEST_CASE("an encoding that was not agreed is refused", "[engine]") {
    Path path({.agreed = {}});
    SECTION("zstd") {
        REQUIRE(write_all(path.peer(), packet(PacketEncoding::zstd, 1000, Bytes(10))));
        CHECK(path.failure().code == Errc::packet_compression_unsupported);
    }
    SECTION("zeros") {
        REQUIRE(write_all(path.peer(), packet(PacketEncoding::zero_tail, 1000, Bytes(10))));
        CHECK(path.failure().code == Errc::packet_flags_unknown);
    }
}

TEST_CASE("an encoded packet cut at any byte of its head or frame has closed early", "[engine]") {
    const auto whole = packet(PacketEncoding::zero_tail, 1000, Bytes(20, std::byte{5}));
    const std::size_t cut = GENERATE(11U, 12U, 287U, 288U, 291U, 292U, 293U, 311U);
    CAPTURE(cut);
    Path path({});
    REQUIRE(write_all(path.peer(), std::span(whole).first(cut)));
    path.peer() = Connection();
    CHECK(path.failure().code == Errc::channel_closed_early);
}

TEST_CASE("auto cuts zeros from what it does not compress", "[engine]") {
    auto choice = everything();
    choice.automatic = true;
    ChannelCounters counters;
    PacketEncoder encoder(choice, counters);
    const auto state = with_zeros_from(random_bytes(kPacket), 1000);
    const auto packet = encoder.encode(DeviceId{0}, state);
    CHECK(packet.encoding == PacketEncoding::zero_tail);
    CHECK(packet.data.size() == 1000);
    encoder.sent(packet.data.size());
}

TEST_CASE("a decoder says why its receiver failed, and takes the next packet", "[engine]") {
    ChannelCounters counters;
    PacketDecoder decoder(kEveryEncoding, kPacket, counters);
    DeviceStateHeader header{.idstr = "gpu0", .data_bytes = 100};
    header.encoding = GENERATE(PacketEncoding::raw, PacketEncoding::zstd, PacketEncoding::zero_tail,
                               PacketEncoding::zero_blocks);
    header.raw_bytes = 200;
    Bytes place(200);
    const auto broken = [](std::span<std::byte>) -> Result<> {
        return ErrorCode(Errc::channel_closed_early);
    };
    CHECK(decoder.decode(header, place, broken).error() == Errc::channel_closed_early);
    header = {.idstr = "gpu0", .data_bytes = 0, .encoding = PacketEncoding::zero_tail};
    header.raw_bytes = 200;
    place.assign(200, kUntouched);
    CHECK(decoder.decode(header, place, [](std::span<std::byte>) { return Result<>(); }));
    CHECK(place == Bytes(200));
}

TEST_CASE("auto leaves random packets as they are, and decides while packets go on", "[engine]") {
    auto choice = everything();
    choice.automatic = true;
    Path path({.encoding = choice});
    const auto random = random_bytes(kPacket);
    for (std::uint32_t idx = 0; idx < 200; ++idx) {
        path.submit(idx, random);
        CHECK(path.take() == random);
    }
    path.senders->finish();
    CHECK(path.senders->traffic()[0].encoded_packets == 0);
    CHECK(path.senders->counters()[0].coding.us() > 0);
}

}  // namespace multifd
