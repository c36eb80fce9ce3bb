#include "channels/wire/channel_init.hpp"

#include <catch2/catch.hpp>

#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

ChannelInit init_of(std::uint8_t id) {
    ChannelInit init{.session = {}, .id = id};
    for (std::size_t i = 0; i < 16; ++i) init.session.bytes[i] = static_cast<std::byte>(0xa0 + i);
    return init;
}

using Wire = std::array<std::byte, kChannelInitBytes>;

Wire wire_of(std::uint8_t id, std::uint32_t magic = kMultifdMagic) {
    Wire wire;
    wire.fill(std::byte{0xee});
    encode(init_of(id), magic, wire);
    return wire;
}

}  // namespace

TEST_CASE("a channel init has QEMU's 64 bytes", "[wire]") {
    CHECK(to_hex(wire_of(3)) ==
          "11223344"
          "00000001"
          "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
          "03" +
              std::string(78, '0'));
    CHECK(to_hex(wire_of(0, kControlMagic)).substr(0, 8) == "4d464443");
}

TEST_CASE("a channel init decodes to what was encoded, whatever its reserved bytes", "[wire]") {
    const auto id = GENERATE(std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{254});
    Wire wire = wire_of(id);
    wire[25] = std::byte{1};
    wire[63] = std::byte{0xff};
    CHECK(decode_channel_init(wire).value() == init_of(id));
    CHECK(decode_channel_init(wire_of(0, kControlMagic)).value() == init_of(0));
}

TEST_CASE("a channel init that breaks one rule is refused", "[wire]") {
    struct Case {
        const char* name;
        std::size_t offset;
        int value;
        const char* expected;
    };
    const auto broken = GENERATE(values<Case>({{"magic", 0, 0x12, "channel_magic_wrong"},
                                               {"version", 7, 2, "channel_version_wrong"},
                                               {"id 255", 24, 255, "channel_id_invalid"}}));
    INFO(broken.name);
    Wire wire = wire_of(0);
    wire[broken.offset] = static_cast<std::byte>(broken.value);
    CHECK(outcome(decode_channel_init(wire)) == broken.expected);

    Wire control = wire_of(0, kControlMagic);
    control[24] = std::byte{1};
    CHECK(outcome(decode_channel_init(control)) == "channel_id_invalid");
}

TEST_CASE("four bytes tell what a connection is", "[wire]") {
    const auto kind = [](const char* hex) {
        const Bytes bytes = from_hex(hex);
        return classify(std::span<const std::byte, 4>(bytes));
    };
    CHECK(kind("5145564d").value() == ConnectionKind::main_channel);
    CHECK(kind("11223344").value() == ConnectionKind::channel);
    CHECK(kind("4d464443").value() == ConnectionKind::control);
    CHECK(outcome(kind("47455420")) == "connection_kind_unknown");
}
