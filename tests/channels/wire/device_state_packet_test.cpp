#include "channels/wire/device_state_packet.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "channels/wire/assert.hpp"
#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

using Wire = std::array<std::byte, kDeviceStatePrologueBytes>;

DeviceStateHeader sample() {
    return {.idstr = "gpu0", .instance_id = 2, .idx = 5, .config = false, .data_bytes = 4096};
}

Wire wire_of(const DeviceStateHeader& header) {
    Wire wire;
    wire.fill(std::byte{0xee});
    encode(header, wire);
    return wire;
}

void store_u32(Wire& wire, std::size_t offset, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) {
        wire[offset + i] = static_cast<std::byte>(value >> (24 - 8 * i));
    }
}

Bytes config_data(std::size_t config_bytes) {
    Bytes data;
    append_bytes(data, config_state_token());
    data.resize(data.size() + config_bytes, std::byte{7});
    append_bytes(data, end_of_state_token());
    return data;
}

}  // namespace

TEST_CASE("a device-state packet's prologue has QEMU's bytes", "[wire]") {
    const std::string hex = to_hex(wire_of(sample()));
    CHECK(hex.substr(0, 24) ==
          "11223344"
          "00000001"
          "00000040");
    CHECK(hex.substr(24, 8) == "67707530");
    CHECK(hex.substr(32, 504) == std::string(504, '0'));
    CHECK(hex.substr(536) ==
          "00000002"
          "0000100c"
          "00000000"
          "00000005"
          "00000000");
    DeviceStateHeader config = sample();
    config.config = true;
    CHECK(to_hex(wire_of(config)).substr(568) == "00000001");
}

TEST_CASE("a prologue decodes to what was encoded, at the limits of every field", "[wire]") {
    static const std::string longest(limits::kIdstrBytesMax, 'x');
    const auto header = GENERATE(values<DeviceStateHeader>({
        sample(),
        {.idstr = "x", .instance_id = 0, .idx = 0, .config = false, .data_bytes = 0},
        {.idstr = longest,
         .instance_id = UINT32_MAX,
         .idx = limits::kIdxReserved - 1,
         .config = false,
         .data_bytes = limits::kNextPacketBytesMax - limits::kStateHeaderBytes},
        {.idstr = "c", .instance_id = 0, .idx = 1, .config = true, .data_bytes = 16},
        {.idstr = "c",
         .instance_id = 0,
         .idx = 1,
         .config = true,
         .data_bytes = limits::kConfigPacketDataBytesMax},
    }));
    CHECK(decode_device_state(wire_of(header)).value() == header);
}

TEST_CASE("a prologue that breaks one rule is refused", "[wire]") {
    struct Case {
        const char* name;
        std::size_t offset;
        std::uint32_t value;
        const char* expected;
    };
    const auto broken = GENERATE(values<Case>({
        {"magic", 0, 0x11223345, "packet_magic_wrong"},
        {"version", 4, 0, "packet_version_wrong"},
        {"compressed", 8, 0x44, "packet_compression_unsupported"},
        {"sync and device state", 8, 0x41, "packet_flags_unknown"},
        {"unknown flag", 8, 0x80, "packet_flags_unknown"},
        {"channel end with more", 8, 0x80000040, "packet_flags_unknown"},
        {"two compressions", 8, 0x06, "packet_flags_unknown"},
        {"RAM", 8, 0, "packet_unexpected"},
        {"channel end", 8, 0x80000000, "packet_unexpected"},
        {"empty idstr", 12, 0, "idstr_invalid"},
        {"bytes after the idstr's NUL", 264, 1, "idstr_invalid"},
        {"next_packet_size below its header", 272, 11, "packet_too_small"},
        {"next_packet_size 0", 272, 0, "packet_too_small"},
        {"next_packet_size over the cap", 272, 16 * 1024 * 1024 + 1, "packet_too_large"},
        {"next_packet_size huge", 272, UINT32_MAX, "packet_too_large"},
        {"state version", 276, 1, "state_version_wrong"},
        {"idx", 280, UINT32_MAX, "idx_reserved"},
        {"packet flags", 284, 2, "state_flags_unknown"},
    }));
    INFO(broken.name);
    Wire wire = wire_of(sample());
    store_u32(wire, broken.offset, broken.value);
    CHECK(outcome(decode_device_state(wire)) == broken.expected);
}

namespace {

using EncodedWire = std::array<std::byte, kEncodedPrologueBytes>;

DeviceStateHeader encoded_sample(PacketEncoding encoding) {
    DeviceStateHeader header = sample();
    header.data_bytes = 100;
    header.encoding = encoding;
    header.raw_bytes = 4096;
    return header;
}

EncodedWire encoded_wire_of(const DeviceStateHeader& header) {
    EncodedWire wire{};
    REQUIRE(encode(header, wire).size() == prologue_bytes(header.encoding));
    return wire;
}

}  // namespace

TEST_CASE("an encoded packet's prologue is a raw one's with its flag and the raw size", "[wire]") {
    struct Case {
        PacketEncoding encoding;
        const char* flags;
    };
    const auto one = GENERATE(values<Case>({{PacketEncoding::zstd, "00000044"},
                                            {PacketEncoding::zero_tail, "40000040"},
                                            {PacketEncoding::zero_blocks, "20000040"}}));
    const DeviceStateHeader header = encoded_sample(one.encoding);
    const std::string hex = to_hex(encoded_wire_of(header));
    DeviceStateHeader raw = sample();
    raw.data_bytes = 104;
    const std::string plain = to_hex(wire_of(raw));
    CHECK(hex == plain.substr(0, 16) + one.flags + plain.substr(24) + "00001000");
    CHECK(decode_encoded_state(encoded_wire_of(header), kEveryEncoding).value() == header);
    CHECK(header.state_bytes() == 4096);
    CHECK(sample().state_bytes() == sample().data_bytes);
}

TEST_CASE("a raw packet is encoded to QEMU's bytes by either encoder", "[wire]") {
    EncodedWire target{};
    const auto written = encode(sample(), target);
    CHECK(to_hex(written) == to_hex(wire_of(sample())));
}

TEST_CASE("an encoding that was not agreed is refused in the first twelve bytes", "[wire]") {
    const auto prefix_of = [](const EncodedWire& wire) {
        return std::span(wire).first<kPacketPrefixBytes>();
    };
    const auto zstd = encoded_wire_of(encoded_sample(PacketEncoding::zstd));
    const auto tail = encoded_wire_of(encoded_sample(PacketEncoding::zero_tail));
    const auto blocks = encoded_wire_of(encoded_sample(PacketEncoding::zero_blocks));
    PacketEncodings only_zstd, only_tail, only_blocks;
    only_zstd.zstd = true;
    only_tail.zero_tail = true;
    only_blocks.zero_blocks = true;
    CHECK(outcome(decode_packet_prefix(prefix_of(blocks))) == "packet_flags_unknown");
    CHECK(outcome(decode_packet_prefix(prefix_of(blocks), only_tail)) == "packet_flags_unknown");
    CHECK(outcome(decode_packet_prefix(prefix_of(tail), only_blocks)) == "packet_flags_unknown");
    CHECK(decode_packet_prefix(prefix_of(blocks), only_blocks).value().encoding ==
          PacketEncoding::zero_blocks);
    CHECK(outcome(decode_packet_prefix(prefix_of(zstd))) == "packet_compression_unsupported");
    CHECK(outcome(decode_packet_prefix(prefix_of(zstd), only_tail)) ==
          "packet_compression_unsupported");
    CHECK(outcome(decode_packet_prefix(prefix_of(tail))) == "packet_flags_unknown");
    CHECK(outcome(decode_packet_prefix(prefix_of(tail), only_zstd)) == "packet_flags_unknown");
    CHECK(decode_packet_prefix(prefix_of(zstd), only_zstd).value().encoding ==
          PacketEncoding::zstd);
    CHECK(decode_packet_prefix(prefix_of(tail), only_tail).value().encoding ==
          PacketEncoding::zero_tail);
    CHECK(outcome(decode_encoded_state(zstd, only_tail)) == "packet_compression_unsupported");
}

TEST_CASE("an encoded prologue that breaks one rule is refused", "[wire]") {
    struct Case {
        const char* name;
        std::size_t offset;
        std::uint32_t value;
        const char* expected;
    };
    const auto broken = GENERATE(values<Case>({
        {"both encodings", 8, 0x40000044, "packet_flags_unknown"},
        {"both forms of zeros", 8, 0x60000040, "packet_flags_unknown"},
        {"blocks of zeros and zstd", 8, 0x20000044, "packet_flags_unknown"},
        {"raw", 8, 0x40, "packet_unexpected"},
        {"channel end", 8, 0x80000000, "packet_unexpected"},
        {"no room for the raw size", 272, 15, "packet_too_small"},
        {"zstd without a byte", 272, 16, "raw_size_wrong"},
        {"data as large as what they stand for", 272, 16 + 4096, "raw_size_wrong"},
        {"next_packet_size huge", 272, UINT32_MAX, "raw_size_wrong"},
        {"a config state", 284, 1, "state_flags_unknown"},
        {"packet flags", 284, 2, "state_flags_unknown"},
        {"raw size 0", 288, 0, "raw_size_wrong"},
        {"raw size of the data", 288, 100, "raw_size_wrong"},
        {"raw size over the cap", 288, 4097, "packet_too_large"},
        {"raw size huge", 288, UINT32_MAX, "packet_too_large"},
        {"idx", 280, UINT32_MAX, "idx_reserved"},
    }));
    INFO(broken.name);
    EncodedWire wire = encoded_wire_of(encoded_sample(PacketEncoding::zstd));
    for (std::size_t i = 0; i < 4; ++i) {
        wire[broken.offset + i] = static_cast<std::byte>(broken.value >> (24 - 8 * i));
    }
    CHECK(outcome(decode_encoded_state(wire, kEveryEncoding, 4096 + 12)) == broken.expected);
}

TEST_CASE("a zero packet has no data, and encoding what does not shrink is a fault of ours",
          "[wire]") {
    DeviceStateHeader zeros = encoded_sample(PacketEncoding::zero_tail);
    zeros.data_bytes = 0;
    CHECK(decode_encoded_state(encoded_wire_of(zeros), kEveryEncoding).value() == zeros);
    EncodedWire target{};
    zeros.data_bytes = zeros.raw_bytes;
    CHECK_THROWS_AS(encode(zeros, target), InternalError);
    zeros.data_bytes = 0;
    zeros.config = true;
    CHECK_THROWS_AS(encode(zeros, target), InternalError);
}

TEST_CASE("a packet without its blocks of zeros has room for their map", "[wire]") {
    DeviceStateHeader header = encoded_sample(PacketEncoding::zero_blocks);
    header.raw_bytes = 8 * 4096 + 1;
    header.data_bytes = 1;
    CHECK(outcome(decode_encoded_state(encoded_wire_of(header), kEveryEncoding)) ==
          "zero_blocks_malformed");
    header.data_bytes = 2;
    CHECK(decode_encoded_state(encoded_wire_of(header), kEveryEncoding).value() == header);
}

TEST_CASE("an idstr without its NUL is refused", "[wire]") {
    Wire wire = wire_of(sample());
    for (std::size_t i = 12; i < 268; ++i) wire[i] = std::byte{'x'};
    CHECK(outcome(decode_device_state(wire)) == "idstr_invalid");
    wire[267] = std::byte{0};
    CHECK(decode_device_state(wire).value().idstr.size() == limits::kIdstrBytesMax);
}

TEST_CASE("the agreed packet size caps state buffers, and config states have a cap of their own",
          "[wire]") {
    DeviceStateHeader header = sample();
    CHECK(outcome(decode_device_state(wire_of(header), 4096 + 12)) == "ok");
    CHECK(outcome(decode_device_state(wire_of(header), 4096 + 11)) == "packet_too_large");

    header.config = true;
    CHECK(outcome(decode_device_state(wire_of(header), 64)) == "ok");
    header.data_bytes = 15;
    CHECK(outcome(decode_device_state(wire_of(header), 64)) == "config_malformed");
    header.data_bytes = limits::kConfigPacketDataBytesMax + 1;
    CHECK(outcome(decode_device_state(wire_of(header))) == "config_too_large");
}

TEST_CASE("the channel-end packet is twelve bytes", "[wire]") {
    std::array<std::byte, kPacketPrefixBytes> wire{};
    encode_channel_end(wire);
    CHECK(to_hex(wire) == "112233440000000180000000");
    CHECK(decode_packet_prefix(wire).value().kind == PacketKind::channel_end);
}

TEST_CASE("a config state is what lies between its two tokens", "[wire]") {
    CHECK(to_hex(config_data(1)) ==
          "ffffffffef100002"
          "07"
          "ffffffffef100001");
    CHECK(unwrap_config(config_data(0)).value().empty());
    CHECK(unwrap_config(config_data(4116)).value().size() == 4116);
    CHECK(outcome(unwrap_config(config_data(limits::kConfigStateBytesMax))) == "ok");
    CHECK(outcome(unwrap_config(config_data(limits::kConfigStateBytesMax + 1))) ==
          "config_too_large");

    Bytes data = config_data(3);
    data.front() = std::byte{0};
    CHECK(outcome(unwrap_config(data)) == "config_malformed");
    data = config_data(3);
    data.back() = std::byte{0};
    CHECK(outcome(unwrap_config(data)) == "config_malformed");
    data.resize(15);
    CHECK(outcome(unwrap_config(data)) == "config_malformed");
}

TEST_CASE("encoding what the format cannot hold is a fault of ours", "[wire]") {
    Wire wire{};
    const std::string too_long(limits::kIdstrBytesMax + 1, 'x');
    DeviceStateHeader header = sample();
    header.idstr = too_long;
    CHECK_THROWS_AS(encode(header, wire), InternalError);
    header.idstr = "";
    CHECK_THROWS_AS(encode(header, wire), InternalError);
    header = sample();
    header.idx = limits::kIdxReserved;
    CHECK_THROWS_AS(encode(header, wire), InternalError);
}
