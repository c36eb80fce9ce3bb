#include "channels/wire/ram_section.hpp"

#include <catch2/catch.hpp>

#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

struct Row {
    const char* name;
    Bytes wire;
    RamRecordKind kind;
    std::uint64_t offset;
    const char* block;
    std::uint64_t bytes;
};

Bytes page(const char* head) {
    Bytes wire = from_hex(head);
    wire.resize(wire.size() + 4096, std::byte{0xab});
    return wire;
}

std::vector<Row> rows() {
    return {
        {"sum of the blocks", from_hex("0000000001052004"), RamRecordKind::memory_size, 0x1052000,
         "", 0},
        {"end", from_hex("0000000000000010"), RamRecordKind::end, 0, "", 0},
        {"flush", from_hex("0000000000000200"), RamRecordKind::multifd_flush, 0, "", 0},
        {"zero page of a new block", from_hex("0000000000003002 06 70632e72616d 00"),
         RamRecordKind::zero_page, 0x3000, "pc.ram", 1},
        {"zero page of the same block", from_hex("0000000000003022 00"), RamRecordKind::zero_page,
         0x3000, "", 1},
        {"page of a new block", page("0000000000004008 06 70632e72616d"), RamRecordKind::page,
         0x4000, "pc.ram", 4096},
        {"page of the same block", page("0000000000004028"), RamRecordKind::page, 0x4000, "", 4096},
        {"delta page", from_hex("0000000000005060 01 0002 aabb"), RamRecordKind::page, 0x5000, "",
         2},
    };
}

}  // namespace

TEST_CASE("a RAM record is consumed whole, and asks for exactly what it lacks", "[wire]") {
    for (const Row& row : rows()) {
        INFO(row.name);
        std::uint64_t unlisted = 0;
        const ParsedRam parsed = parse_ram_record(row.wire, unlisted).value();
        REQUIRE(parsed.record.has_value());
        CHECK(parsed.consumed == row.wire.size());
        CHECK(parsed.record->kind == row.kind);
        CHECK(parsed.record->offset == row.offset);
        CHECK(parsed.record->block == row.block);
        CHECK(parsed.record->bytes == row.bytes);
        for (std::size_t length = 0; length < row.wire.size(); ++length) {
            unlisted = 0;
            const ParsedRam cut =
                parse_ram_record(std::span(row.wire).first(length), unlisted).value();
            const bool asks = !cut.record && cut.needed > length && cut.needed <= row.wire.size();
            if (!asks || unlisted != 0) FAIL("cut at " << length);
        }
    }
}

TEST_CASE("the list of blocks goes on until their sum is reached", "[wire]") {
    std::uint64_t unlisted = 0x3000;
    const Bytes first = from_hex("02 6161 0000000000002000");
    const Bytes second = from_hex("02 6262 0000000000001000");
    CHECK(parse_ram_record(first, unlisted).value().record->block == "aa");
    CHECK(unlisted == 0x1000);
    CHECK(outcome(parse_ram_record(first, unlisted)) == "ram_section_malformed");
    CHECK(unlisted == 0x1000);
    CHECK(parse_ram_record(second, unlisted).value().record->bytes == 0x1000);
    CHECK(unlisted == 0);
}

TEST_CASE("a RAM record of an unknown kind is malformed", "[wire]") {
    const char* hex = GENERATE("0000000000000000", "0000000000000001", "0000000000000080",
                               "0000000000000100 00", "000000000000000a 00", "0000000000000030 00",
                               "0000000000000400 00", "0000000000000218 00");
    CAPTURE(hex);
    std::uint64_t unlisted = 0;
    Bytes wire = from_hex(hex);
    wire.resize(64);
    CHECK(outcome(parse_ram_record(wire, unlisted)) == "ram_section_malformed");
}
