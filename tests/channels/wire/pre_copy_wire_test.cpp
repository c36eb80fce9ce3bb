// What pre-copy over the channels adds to the wire.
#include <catch2/catch.hpp>

#include "channels/wire/device_state_packet.hpp"
#include "channels/wire/hello.hpp"
#include "channels/wire/hello_agreement.hpp"
#include "channels/wire/message_bodies.hpp"
#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

Hello hello_of(std::size_t devices) {
    Hello hello;
    hello.features = {std::string(kFeaturePreCopyChannels)};
    for (std::size_t i = 0; i < devices; ++i) {
        hello.devices.push_back({.identity = {"device" + std::to_string(i), 0}});
    }
    return hello;
}

Agreement agreed(const Hello& source, const Hello& destination) {
    return std::get<Agreement>(agree(source, destination));
}

using Prologue = std::array<std::byte, kDeviceStatePrologueBytes>;

}  // namespace

TEST_CASE("a packet's flags say that it is pre-copy data, or a config state, never both",
          "[wire]") {
    Prologue prologue{};
    const DeviceStateHeader header{.idstr = "gpu0", .idx = 7, .pre_copy = true, .data_bytes = 16};
    encode(header, prologue);
    CHECK(to_hex(std::span(prologue).subspan(284)) == "80000000");
    CHECK(decode_device_state(prologue).value() == header);
    prologue[287] = std::byte{1};
    CHECK(outcome(decode_device_state(prologue)) == "state_flags_unknown");
}

TEST_CASE("a hello says which devices pre-copy, in one bit each", "[wire]") {
    const std::size_t count = GENERATE(1U, 3U, 4U, 5U, 4096U);
    Hello hello = hello_of(count);
    for (std::size_t i = 0; i < count; i += 3) hello.devices[i].pre_copies = true;
    CHECK(decode_hello(encode(hello).value()).value() == hello);
    CHECK(text_of(encode(hello).value()).find("\"pre-copies\":\"") != std::string_view::npos);
}

TEST_CASE("a hello without such a device does not speak of pre-copy", "[wire]") {
    CHECK(text_of(encode(hello_of(5)).value()).find("pre-copies") == std::string_view::npos);
}

TEST_CASE("pre-copy bits that are not one for each device are malformed", "[wire]") {
    const auto hello = [](std::string_view bits) {
        const std::string text = R"({"protocol":1,"devices":[["a"],["b"],["c"]],"pre-copies":)" +
                                 std::string(bits) + "}";
        return outcome(decode_hello(bytes_of(text)));
    };
    CHECK(hello(R"("a")") == "ok");
    CHECK(hello(R"("b")") == "hello_malformed");  // a fourth device
    CHECK(hello(R"("")") == "hello_malformed");
    CHECK(hello(R"("a0")") == "hello_malformed");
    CHECK(hello(R"("g")") == "hello_malformed");
    CHECK(hello("10") == "hello_malformed");
}

TEST_CASE("pre-copy takes the channels when both ends name it and the device uses them", "[wire]") {
    Hello source = hello_of(3);
    Hello destination = hello_of(3);
    source.devices[0].pre_copies = source.devices[1].pre_copies = true;
    destination.devices[1].multifd = MultifdChoice::off;
    SECTION("both") {
        const auto agreement = agreed(source, destination);
        CHECK(agreement.pre_copy_on_channels);
        CHECK(agreement.devices[0].pre_copy_on_channels);
        CHECK(agreement.devices[1].pre_copies);
        CHECK_FALSE(agreement.devices[1].pre_copy_on_channels);
        CHECK_FALSE(agreement.devices[2].pre_copies);
        CHECK_FALSE(agreement.devices[2].pre_copy_on_channels);
    }
    SECTION("one alone") {
        (GENERATE(true, false) ? source : destination).features.clear();
        const auto agreement = agreed(source, destination);
        CHECK_FALSE(agreement.pre_copy_on_channels);
        CHECK(agreement.devices[0].pre_copies);
        CHECK_FALSE(agreement.devices[0].pre_copy_on_channels);
    }
    SECTION("both, and no device of which it is true") {
        source.devices[0].pre_copies = false;
        CHECK_FALSE(agreed(source, destination).pre_copy_on_channels);
    }
}

TEST_CASE("a switchover says where each device's pre-copy packets end", "[wire]") {
    const std::array<SwitchoverEntry, 2> entries{SwitchoverEntry{1, 0x10}, {4095, 0xfffffffe}};
    const auto body = encode_switchover(entries);
    CHECK(to_hex(body) ==
          "00000001"
          "00000010"
          "00000fff"
          "fffffffe");
    CHECK(decode_switchover(body).value() ==
          std::vector<SwitchoverEntry>(entries.begin(), entries.end()));
    CHECK(outcome(decode_switchover({})) == "message_malformed");
    CHECK(outcome(decode_switchover(std::span(body).first(15))) == "message_malformed");
    CHECK(outcome(decode_switchover(Bytes(8 * 4097))) == "message_malformed");
    CHECK(outcome(decode_switchover(from_hex("00000001ffffffff"))) == "idx_reserved");
}

TEST_CASE("a pre-copy status arrives whole, over as many messages as it takes", "[wire]") {
    const std::size_t count = GENERATE(1U, 3276U, 3277U, 4096U);
    std::vector<PreCopyStatusEntry> entries(count);
    for (std::size_t i = 0; i < count; ++i) {
        entries[i] = {static_cast<std::uint32_t>(i), i * 0x100000001, i * 3};
    }
    std::vector<PreCopyStatusEntry> decoded;
    const auto bodies = encode_pre_copy_status(entries);
    CHECK(bodies.size() == (count <= 3276 ? 1 : 2));
    for (const auto& body : bodies) {
        CHECK(pre_copy_status_length_valid(body.size()));
        const auto table = decode_pre_copy_status(body).value();
        CHECK(table.more == (&body != &bodies.back()));
        decoded.insert(decoded.end(), table.entries.begin(), table.entries.end());
    }
    CHECK(decoded == entries);
}

TEST_CASE("a pre-copy status that is not one is malformed", "[wire]") {
    CHECK(outcome(decode_pre_copy_status({})) == "message_malformed");
    CHECK(outcome(decode_pre_copy_status(from_hex("00"))) == "message_malformed");
    CHECK(outcome(decode_pre_copy_status(Bytes(20))) == "message_malformed");
    CHECK(outcome(decode_pre_copy_status(Bytes(21, std::byte{2}))) == "message_malformed");
    CHECK(outcome(decode_pre_copy_status(Bytes(21))) == "ok");
}

TEST_CASE("a verify table can tell pre-copy bytes apart", "[wire]") {
    std::vector<VerifyEntry> entries(GENERATE(1U, 1820U, 1821U));
    for (std::size_t i = 0; i < entries.size(); ++i) {
        entries[i] = {static_cast<std::uint32_t>(i), 1, 2, 3, i};
    }
    std::vector<VerifyEntry> decoded;
    for (const auto& body : encode_verify(entries)) {
        CHECK(verify_length_valid(body.size()));
        const auto table = decode_verify(body).value();
        decoded.insert(decoded.end(), table.entries.begin(), table.entries.end());
    }
    CHECK(decoded == entries);
    CHECK(outcome(decode_verify(from_hex("02"))) == "message_malformed");
    CHECK(outcome(decode_verify(from_hex("04"))) == "message_malformed");
    CHECK(outcome(decode_verify(Bytes(1 + 28, std::byte{2}))) == "message_malformed");
}
