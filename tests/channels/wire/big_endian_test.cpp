#include "channels/wire/big_endian.hpp"

#include <array>
#include <catch2/catch.hpp>

#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

TEST_CASE("integers stand with their highest byte first", "[wire]") {
    std::array<std::byte, 15> wire{};
    const std::span<std::byte, 15> target(wire);
    store_at<0>(target, std::uint8_t{0x01});
    store_at<1>(target, std::uint16_t{0x0203});
    store_at<3>(target, std::uint32_t{0x04050607});
    store_at<7>(target, std::uint64_t{0x08090a0b0c0d0e0f});
    CHECK(to_hex(wire) == "0102030405060708090a0b0c0d0e0f");

    const std::span<const std::byte, 15> source(wire);
    CHECK(load_at<std::uint8_t, 0>(source) == 0x01);
    CHECK(load_at<std::uint16_t, 1>(source) == 0x0203);
    CHECK(load_at<std::uint32_t, 3>(source) == 0x04050607);
    CHECK(load_at<std::uint64_t, 7>(source) == 0x08090a0b0c0d0e0f);

    Bytes appended;
    append_integer(appended, std::uint16_t{0xfffe});
    append_integer(appended, std::uint64_t{1});
    CHECK(to_hex(appended) == "fffe0000000000000001");
}

TEST_CASE("a reader that runs out of bytes says how many it needs, and gives nothing more",
          "[wire]") {
    const Bytes bytes = from_hex("0001 aabbcc");
    BigEndianReader reader(bytes);
    CHECK(reader.integer<std::uint16_t>() == 1);
    CHECK(reader.ok());
    CHECK(reader.take(4).empty());
    CHECK_FALSE(reader.ok());
    CHECK(reader.needed() == 6);
    // What would fit is not given either: it stands behind what is missing.
    CHECK(reader.integer<std::uint8_t>() == 0);
    CHECK(reader.take(1).empty());
    CHECK(reader.needed() == 6);
    CHECK(reader.position() == 2);
}

TEST_CASE("a reader gives everything there is, to the last byte", "[wire]") {
    const Bytes bytes = from_hex("aabb");
    BigEndianReader reader(bytes);
    CHECK(to_hex(reader.take(2)) == "aabb");
    CHECK(reader.take(0).empty());
    CHECK(reader.ok());
    CHECK(reader.integer<std::uint8_t>() == 0);
    CHECK(reader.needed() == 3);
}
