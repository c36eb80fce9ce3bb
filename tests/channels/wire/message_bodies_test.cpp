#include "channels/wire/message_bodies.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "channels/wire/limits.hpp"
#include "channels/wire/return_path.hpp"
#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

TEST_CASE("a heartbeat is nine bytes", "[wire]") {
    const Heartbeat heartbeat{.progress = 0x0102030405060708, .status = 4};
    CHECK(to_hex(encode(heartbeat)) == "010203040506070804");
    CHECK(decode_heartbeat(encode(heartbeat)).value() == heartbeat);
    CHECK(outcome(decode_heartbeat(Bytes(8))) == "message_malformed");
    CHECK(outcome(decode_heartbeat(Bytes(10))) == "message_malformed");
}

TEST_CASE("a u32 body is four bytes", "[wire]") {
    CHECK(decode_u32(encode_u32(0xdeadbeef)).value() == 0xdeadbeef);
    CHECK(outcome(decode_u32(Bytes(3))) == "message_malformed");
}

TEST_CASE("an error of the other end arrives with everything it says", "[wire]") {
    const PeerError full{.code = "device_failed",
                         .phase = "device",
                         .device = "gpu0/3",
                         .idx = 17,
                         .channel = 2,
                         .message = "write: No space left on device"};
    CHECK(decode_peer_error(encode(full)).value() == full);
    const PeerError least{
        .code = "cancelled", .phase = {}, .device = {}, .idx = {}, .channel = {}, .message = {}};
    CHECK(decode_peer_error(encode(least)).value() == least);
}

TEST_CASE("an error's texts are cut to their caps, one line, and UTF-8", "[wire]") {
    const char filler = GENERATE('x', '\n', '"', '\\', '\x01', '\x7f', '\xff', '\xc3');
    const std::string longest(100'000, filler);
    const PeerError error{.code = "code",
                          .phase = longest,
                          .device = longest,
                          .idx = UINT32_MAX,
                          .channel = UINT32_MAX,
                          .message = longest};
    const auto wire = encode(error);
    CHECK(wire.size() <= kPeerErrorBytesMax);
    const PeerError decoded = decode_peer_error(wire).value();
    CHECK(decoded.message.size() <= limits::kErrorTextBytesMax);
    CHECK(decoded.message.find_first_of("\n\x01\x7f") == std::string::npos);
    CHECK_FALSE(decoded.message.empty());
}

TEST_CASE("an error that is not the JSON it should be is malformed", "[wire]") {
    const std::string text =
        GENERATE(as<std::string>{}, "", "{", "[]", "null", "42", "\"code\"", "{}", R"({"code":""})",
                 R"({"code":1})", R"({"code":"x","idx":-1})", R"({"code":"x","idx":4294967296})",
                 R"({"code":"x","idx":"1"})", R"({"code":"x","channel":1.5})",
                 R"({"code":"x","message":[]})", R"({"code":"x","extra":[[[[[[]]]]]]})",
                 "{\"code\":\"\xff\"}", R"({"code":"x"} x)");
    CAPTURE(text);
    CHECK(outcome(decode_peer_error(bytes_of(text))) == "message_malformed");
}

TEST_CASE("an error of a newer peer is understood as far as it can be", "[wire]") {
    const auto error =
        decode_peer_error(bytes_of(R"({"code":"from_the_future","more":{"x":[1]},"idx":3})"));
    CHECK(error.value().code == "from_the_future");
    CHECK(error.value().idx == 3U);
}

TEST_CASE("nesting as deep as the message is long is refused", "[wire]") {
    const std::string text = "{\"code\":" + std::string(kPeerErrorBytesMax - 8, '[');
    CHECK(outcome(decode_peer_error(bytes_of(text))) == "message_malformed");
    CHECK(outcome(decode_peer_error(Bytes(kPeerErrorBytesMax + 1, std::byte{' '}))) ==
          "message_malformed");
}

TEST_CASE("a verify entry is 28 bytes after the flag", "[wire]") {
    const VerifyEntry entry{
        .device = 1, .packets = 2, .bytes = 0x1000, .digest = 0x0123456789abcdef};
    const auto bodies = encode_verify({{entry}});
    REQUIRE(bodies.size() == 1);
    CHECK(to_hex(bodies[0]) ==
          "00"
          "00000001"
          "0000000000000002"
          "0000000000001000"
          "0123456789abcdef");
}

TEST_CASE("a verify table of any length arrives whole, over as many messages as it takes",
          "[wire]") {
    const std::size_t count = GENERATE(0U, 1U, 2339U, 2340U, 2341U, 4096U);
    std::vector<VerifyEntry> entries(count);
    for (std::size_t i = 0; i < count; ++i) {
        entries[i] = {.device = static_cast<std::uint32_t>(i),
                      .packets = i * 2,
                      .bytes = i * 3,
                      .digest = i * 0x9e3779b97f4a7c15};
    }
    std::vector<VerifyEntry> decoded;
    const auto bodies = encode_verify(entries);
    CHECK(bodies.size() == (count <= 2340 ? 1 : 2));
    for (const auto& body : bodies) {
        CHECK(body.size() <= kMessageDataBytesMax);
        const VerifyTable table = decode_verify(body).value();
        CHECK(table.more == (&body != &bodies.back()));
        decoded.insert(decoded.end(), table.entries.begin(), table.entries.end());
    }
    CHECK(decoded == entries);
}

TEST_CASE("a verify table that is not one is malformed", "[wire]") {
    CHECK(outcome(decode_verify({})) == "message_malformed");
    CHECK(outcome(decode_verify(Bytes(28))) == "message_malformed");
    CHECK(outcome(decode_verify(from_hex("02"))) == "message_malformed");
    // "More follows" without an entry could go on forever.
    CHECK(outcome(decode_verify(from_hex("01"))) == "message_malformed");
    CHECK(outcome(decode_verify(from_hex("00"))) == "ok");
}
