#include "channels/wire/return_path.hpp"

#include <catch2/catch.hpp>

#include "channels/wire/assert.hpp"
#include "channels/wire/message_bodies.hpp"
#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

Bytes message(std::uint16_t type, std::size_t length) {
    Bytes wire;
    append_message(wire, type, Bytes(length, std::byte{'x'}));
    return wire;
}

using Parse = Result<ParsedMessage> (*)(std::span<const std::byte>) noexcept;

}  // namespace

TEST_CASE("return-path messages have QEMU's bytes", "[wire]") {
    Bytes wire;
    append_message(wire, ReturnPathType::pong, encode_u32(1));
    append_message(wire, ReturnPathType::switchover_ack);
    append_message(wire, ReturnPathType::shut, encode_u32(0));
    CHECK(to_hex(wire) ==
          "0002000400000001"
          "00070000"
          "0001000400000000");
}

TEST_CASE("messages of every type are read one after the other, however they are split", "[wire]") {
    struct Row {
        std::uint16_t type;
        std::size_t length;
        Parse parse;
    };
    const auto row = GENERATE(values<Row>({{1, 4, parse_return_path},
                                           {2, 4, parse_return_path},
                                           {7, 0, parse_return_path},
                                           {0x4d01, 1, parse_return_path},
                                           {0x4d01, 65535, parse_return_path},
                                           {0x4d02, 0, parse_return_path},
                                           {0x4d03, 1, parse_return_path},
                                           {0x4d03, 29, parse_return_path},
                                           {0x4d04, 0, parse_return_path},
                                           {0x4d04, 9, parse_return_path},
                                           {0x4d05, 0, parse_return_path},
                                           {0x4d07, 1, parse_return_path},
                                           {0x4d07, 1024, parse_return_path},
                                           {0x4d41, 9, parse_control},
                                           {0x4d42, 1, parse_control},
                                           {0x4d43, 0, parse_control}}));
    CAPTURE(row.type, row.length);
    const Bytes wire = message(row.type, row.length);
    for (std::size_t visible = 0; visible < wire.size(); visible += 1 + visible / 64) {
        const ParsedMessage parsed = row.parse(std::span(wire).first(visible)).value();
        CHECK_FALSE(parsed.message.has_value());
        CHECK(parsed.consumed == 0);
        CHECK(parsed.needed > visible);
        CHECK(parsed.needed <= wire.size());
    }
    Bytes more = wire;
    more.push_back(std::byte{0});
    const ParsedMessage parsed = row.parse(more).value();
    REQUIRE(parsed.message.has_value());
    CHECK(parsed.message->type == row.type);
    CHECK(parsed.message->data.size() == row.length);
    CHECK(parsed.consumed == wire.size());
}

TEST_CASE("a message that breaks one rule is refused by its first four bytes", "[wire]") {
    struct Row {
        const char* name;
        const char* wire;
        Parse parse;
        const char* expected;
    };
    const auto row = GENERATE(values<Row>({
        {"type 0", "0000 0000", parse_return_path, "return_path_type_unknown"},
        {"REQ_PAGES", "0004 000c", parse_return_path, "return_path_type_unknown"},
        {"heartbeat on the return path", "4d41 0009", parse_return_path,
         "return_path_type_unknown"},
        {"PONG on the control connection", "0002 0004", parse_control, "return_path_type_unknown"},
        {"PONG without its value", "0002 0000", parse_return_path, "return_path_length_wrong"},
        {"PONG too long", "0002 0005", parse_return_path, "return_path_length_wrong"},
        {"SHUT too short", "0001 0003", parse_return_path, "return_path_length_wrong"},
        {"SWITCHOVER_ACK with data", "0007 0001", parse_return_path, "return_path_length_wrong"},
        {"empty HELLO", "4d01 0000", parse_return_path, "return_path_length_wrong"},
        {"READY with data", "4d02 0001", parse_return_path, "return_path_length_wrong"},
        {"empty LOADED", "4d03 0000", parse_return_path, "return_path_length_wrong"},
        {"half an entry in LOADED", "4d03 0010", parse_return_path, "return_path_length_wrong"},
        {"RUNNING too long", "4d04 4001", parse_return_path, "return_path_length_wrong"},
        {"REFUSED too long", "4d05 ffff", parse_return_path, "return_path_length_wrong"},
        {"empty TRANSFER_REPORT", "4d07 0000", parse_return_path, "return_path_length_wrong"},
        {"TRANSFER_REPORT too long", "4d07 0401", parse_return_path, "return_path_length_wrong"},
        {"heartbeat too short", "4d41 0008", parse_control, "return_path_length_wrong"},
        {"empty ERROR", "4d42 0000", parse_control, "return_path_length_wrong"},
        {"CANCEL_REQUEST with data", "4d43 0001", parse_control, "return_path_length_wrong"},
    }));
    INFO(row.name);
    CHECK(outcome(row.parse(from_hex(row.wire))) == row.expected);
}

TEST_CASE("a message longer than its length field can say is a fault of ours", "[wire]") {
    Bytes target;
    CHECK_THROWS_AS(append_message(target, ReturnPathType::hello, Bytes(65536)), InternalError);
    CHECK(target.empty());
}
