#include "channels/wire/hello.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "channels/wire/assert.hpp"
#include "channels/wire/limits.hpp"
#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

Hello full_hello() {
    Hello hello;
    hello.software = "multifd 0.1.0";
    hello.features = {"zstd", "crc32c"};
    hello.required = {"crc32c"};
    hello.channels = 255;
    hello.packet_bytes = limits::kPacketDataBytesMin;
    hello.packet_bytes_max = limits::kPacketDataBytesMax;
    hello.queued_bytes_max = UINT64_MAX;
    hello.verify = false;
    hello.switchover_ack = true;
    hello.devices = {
        {.identity = {"gpu0", 0}},
        {.identity = {"gpu0", 1}, .multifd = MultifdChoice::on},
        {.identity = {"nic0", UINT32_MAX}, .multifd = MultifdChoice::off, .running = false},
        {.identity = {"disk", 0}, .expected_bytes = UINT64_MAX},
    };
    hello.session = SessionId{};
    for (std::size_t i = 0; i < 16; ++i) {
        hello.session->bytes[i] = static_cast<std::byte>(0x11 * i);
    }
    return hello;
}

Result<Hello> decode_text(std::string_view text) {
    return decode_hello(bytes_of(text));
}

}  // namespace

TEST_CASE("a hello arrives with everything it says", "[wire]") {
    CHECK(decode_hello(encode(full_hello()).value()).value() == full_hello());
    CHECK(decode_hello(encode(Hello{}).value()).value() == Hello{});
}

TEST_CASE("a hello is compact JSON", "[wire]") {
    Hello hello;
    hello.software = "multifd 0.1.0";
    hello.channels = 4;
    hello.packet_bytes = 1048576;
    hello.devices = {{.identity = {"gpu0", 0}},
                     {.identity = {"gpu0", 1}, .multifd = MultifdChoice::off},
                     {.identity = {"nic0", 0}, .running = false, .expected_bytes = 9}};
    CHECK(text_of(encode(hello).value()) ==
          R"({"channels":4,"devices":[["gpu0"],["gpu0",1,2],["nic0",0,0,0,9]],)"
          R"("packet-bytes":1048576,"protocol":1,"software":"multifd 0.1.0",)"
          R"("switchover-ack":false,"verify":true})");
}

TEST_CASE("a device's name arrives byte for byte, whatever its bytes", "[wire]") {
    std::string every_byte;
    for (int byte = 1; byte < 256; ++byte) every_byte.push_back(static_cast<char>(byte));
    REQUIRE(every_byte.size() == limits::kIdstrBytesMax);
    Hello hello;
    hello.devices = {{.identity = {every_byte, 0}}};
    CHECK(decode_hello(encode(hello).value()).value() == hello);
}

TEST_CASE("4096 devices fit, and their estimates give way to them", "[wire]") {
    Hello hello = full_hello();
    hello.devices.clear();
    for (std::uint32_t i = 0; i < limits::kDevicesMax; ++i) {
        hello.devices.push_back({.identity = {"dev" + std::to_string(i), 0}});
    }
    CHECK(decode_hello(encode(hello).value()).value() == hello);
    Hello with_estimates = hello;
    for (HelloDevice& device : with_estimates.devices) device.expected_bytes = 1ULL << 40;
    CHECK(decode_hello(encode(with_estimates).value()).value() == hello);
}

TEST_CASE("a hello that has no room is too large, not cut", "[wire]") {
    Hello hello;
    for (std::uint32_t i = 0; i < 300; ++i) {
        hello.devices.push_back({.identity = {std::string(limits::kIdstrBytesMax, 'x'), i}});
    }
    CHECK(outcome(encode(hello)) == "hello_too_large");
    CHECK(outcome(decode_hello(Bytes(limits::kHelloBytesMax + 1, std::byte{' '}))) ==
          "hello_too_large");
}

TEST_CASE("a software text of any length or bytes is no obstacle", "[wire]") {
    Hello hello;
    hello.software = std::string(100'000, GENERATE('x', '\xff'));
    const Hello decoded = decode_hello(encode(hello).value()).value();
    CHECK(decoded.software.size() == 128);
}

TEST_CASE("a hello that is not what it should be is malformed", "[wire]") {
    const std::string text = GENERATE(
        as<std::string>{}, "", "{", "[]", "1", "{}", R"({"protocol":1})",
        R"({"protocol":"1","devices":[]})", R"({"protocol":0,"devices":[]})",
        R"({"protocol":-1,"devices":[]})", R"({"protocol":1.0,"devices":[]})",
        R"({"protocol":4294967297,"devices":[]})", R"({"protocol":1,"devices":{}})",
        R"({"protocol":1,"devices":[],"software":1})",
        R"({"protocol":1,"devices":[],"features":"x"})",
        R"({"protocol":1,"devices":[],"features":[1]})",
        R"({"protocol":1,"devices":[],"required":true})",
        R"({"protocol":1,"devices":[],"required":[null]})",
        R"({"protocol":1,"devices":[],"channels":256})",
        R"({"protocol":1,"devices":[],"channels":-1})",
        R"({"protocol":1,"devices":[],"packet-bytes":1})",
        R"({"protocol":1,"devices":[],"packet-bytes":16777217})",
        R"({"protocol":1,"devices":[],"packet-bytes-max":4095})",
        R"({"protocol":1,"devices":[],"queued-bytes-max":18446744073709551616})",
        R"({"protocol":1,"devices":[],"verify":1})",
        R"({"protocol":1,"devices":[],"switchover-ack":"on"})",
        R"({"protocol":1,"devices":[],"session":"00"})",
        R"({"protocol":1,"devices":[],"session":0})",
        R"({"protocol":1,"devices":[],"session":"AA112233445566778899aabbccddeeff"})",
        R"({"protocol":1,"devices":[[]]})", R"({"protocol":1,"devices":["gpu0"]})",
        R"({"protocol":1,"devices":[[1]]})", R"({"protocol":1,"devices":[[""]]})",
        R"({"protocol":1,"devices":[["\u0000"]]})", R"({"protocol":1,"devices":[["\u0100"]]})",
        R"({"protocol":1,"devices":[["gpu0",-1]]})",
        R"({"protocol":1,"devices":[["gpu0",4294967296]]})",
        R"({"protocol":1,"devices":[["gpu0",0,3]]})",
        R"({"protocol":1,"devices":[["gpu0",0,0,2]]})",
        R"({"protocol":1,"devices":[["gpu0",0,0,true]]})",
        R"({"protocol":1,"devices":[["gpu0",0,0,1,-5]]})",
        R"({"protocol":1,"devices":[["gpu0"],["gpu0",0]]})");
    CAPTURE(text);
    CHECK(outcome(decode_text(text)) == "hello_malformed");
}

TEST_CASE("what is beyond a limit is malformed", "[wire]") {
    const std::string head = R"({"protocol":1,"devices":[)";
    CHECK(outcome(decode_text(head + "[\"" + std::string(256, 'x') + "\"]]}")) ==
          "hello_malformed");
    CHECK(outcome(decode_text(head + "[\"" + std::string(255, 'x') + "\"]]}")) == "ok");
    std::string devices = head;
    for (int i = 0; i <= 4096; ++i) devices += "[\"" + std::to_string(i) + "\"],";
    devices.back() = ']';
    CHECK(outcome(decode_text(devices + "}")) == "hello_malformed");
    std::string features = R"({"protocol":1,"devices":[],"features":["x")";
    for (int i = 0; i < 64; ++i) features += ",\"x\"";
    CHECK(outcome(decode_text(features + "]}")) == "hello_malformed");
}

TEST_CASE("64 KiB of nesting is refused without being descended into", "[wire]") {
    const std::string open = GENERATE(as<std::string>{}, "[", "{\"a\":");
    std::string text = "{\"protocol\":1,\"devices\":";
    while (text.size() + open.size() <= limits::kHelloBytesMax) text += open;
    CHECK(outcome(decode_text(text)) == "hello_malformed");
    // Well-formed JSON too, and in a key that is ignored.
    const std::string deep(30'000, '[');
    const std::string closed(30'000, ']');
    CHECK(outcome(decode_text(R"({"protocol":1,"devices":[],"x":)" + deep + closed + "}")) ==
          "hello_malformed");
    CHECK(outcome(decode_text(R"({"protocol":1,"devices":[],"x":[[[[[[[]]]]]]]})")) == "ok");
    CHECK(outcome(decode_text(R"({"protocol":1,"devices":[],"x":[[[[[[[[]]]]]]]]})")) ==
          "hello_malformed");
    // Brackets in a string are text.
    CHECK(outcome(decode_text(R"({"protocol":1,"devices":[],"x":"[[[[[[[[[[\"[[[["})")) == "ok");
}

TEST_CASE("another protocol version is told from a malformed hello", "[wire]") {
    CHECK(outcome(decode_text(R"({"protocol":2})")) == "hello_version_unsupported");
    CHECK(outcome(decode_text(R"({"protocol":2,"devices":"elsewhere"})")) ==
          "hello_version_unsupported");
}

TEST_CASE("what a newer peer adds is ignored", "[wire]") {
    const Hello hello =
        decode_text(R"({"protocol":1,"devices":[["gpu0",0,0,1,0,"new"]],"tls":{"x":[1]}})").value();
    CHECK(hello.devices == std::vector<HelloDevice>{{.identity = {"gpu0", 0}}});
}

TEST_CASE("a hello beyond the limits is a fault of ours", "[wire]") {
    Hello hello;
    hello.channels = 256;
    CHECK_THROWS_AS(encode(hello), InternalError);
    hello = {};
    hello.devices = {{.identity = {"", 0}}};
    CHECK_THROWS_AS(encode(hello), InternalError);
    hello = {};
    hello.devices.resize(limits::kDevicesMax + 1, {.identity = {"x", 0}});
    CHECK_THROWS_AS(encode(hello), InternalError);
}
