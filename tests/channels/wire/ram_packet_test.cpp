#include "channels/wire/ram_packet.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

using Wire = std::array<std::byte, kRamHeaderBytes>;

/// Two normal pages and one zero page of pc.ram, packet 42.
Wire sample() {
    const Bytes head =
        from_hex("11223344 00000001 00000000 00000080 00000002 00002000 000000000000002a 00000001");
    Wire wire{};
    std::ranges::copy(head, wire.begin());
    std::ranges::copy(bytes_of("pc.ram"), wire.begin() + 64);
    return wire;
}

}  // namespace

TEST_CASE("a RAM packet's header is read", "[wire]") {
    const Wire wire = sample();
    const RamPacket packet = decode_ram_packet(wire).value();
    CHECK(packet == RamPacket{.flags = 0,
                              .sync = false,
                              .compression = RamCompression::none,
                              .normal_pages = 2,
                              .zero_pages = 1,
                              .next_packet_bytes = 8192,
                              .packet_num = 42,
                              .ramblock = "pc.ram"});
}

TEST_CASE("SYNC and the five compressions are flags of a RAM packet", "[wire]") {
    struct Case {
        int flags;
        bool sync;
        RamCompression compression;
    };
    const auto row = GENERATE(values<Case>({{0x01, true, RamCompression::none},
                                            {0x02, false, RamCompression::zlib},
                                            {0x04, false, RamCompression::zstd},
                                            {0x08, false, RamCompression::qpl},
                                            {0x10, false, RamCompression::uadk},
                                            {0x20, false, RamCompression::qatzip},
                                            {0x05, true, RamCompression::zstd}}));
    Wire wire = sample();
    wire[11] = static_cast<std::byte>(row.flags);
    const RamPacket packet = decode_ram_packet(wire).value();
    CHECK(packet.sync == row.sync);
    CHECK(packet.compression == row.compression);
}

TEST_CASE("a RAM packet that contradicts itself is refused", "[wire]") {
    struct Case {
        const char* name;
        std::size_t offset;
        int value;
        const char* expected;
    };
    const auto broken = GENERATE(values<Case>({
        {"pages allocated", 15, 0x81, "ram_packet_malformed"},
        {"normal pages", 18, 0x01, "ram_packet_malformed"},
        {"zero pages", 35, 127, "ram_packet_malformed"},
        {"size is not that of the pages", 23, 1, "ram_packet_malformed"},
        {"no ramblock", 64, 0, "ram_packet_malformed"},
        {"size over the cap", 20, 0x02, "packet_too_large"},
        {"device state", 11, 0x40, "packet_unexpected"},
        {"magic", 0, 0, "packet_magic_wrong"},
        {"flags", 8, 1, "packet_flags_unknown"},
    }));
    INFO(broken.name);
    Wire wire = sample();
    wire[broken.offset] = static_cast<std::byte>(broken.value);
    CHECK(outcome(decode_ram_packet(wire)) == broken.expected);

    wire = sample();
    std::fill_n(wire.begin() + 64, 256, std::byte{'x'});
    CHECK(outcome(decode_ram_packet(wire)) == "ram_packet_malformed");
}
