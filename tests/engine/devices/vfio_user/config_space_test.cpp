#include "engine/devices/vfio_user/config_space.hpp"

#include <catch2/catch.hpp>

namespace multifd::vfio_user {
namespace {

Bytes contents(const ConfigSpace& space) {
    Bytes bytes(kConfigSpaceBytes);
    space.read(0, bytes);
    return bytes;
}

}  // namespace

TEST_CASE("a served device shows an experimental PCI device without BARs", "[vfio_user]") {
    const Bytes bytes = contents(ConfigSpace());
    CHECK(bytes[0] == std::byte{0xf4});
    CHECK(bytes[1] == std::byte{0x1a});
    CHECK(bytes[0x0b] == std::byte{0xff});
    for (std::size_t at = 0x10; at < 0x28; ++at) CHECK(bytes[at] == std::byte{0});
}

TEST_CASE("a guest may write what a guest writes, and nothing else", "[vfio_user]") {
    ConfigSpace space;
    const Bytes before = contents(space);
    space.write(0, Bytes(kConfigSpaceBytes, std::byte{0xff}));
    const Bytes after = contents(space);
    for (std::size_t at = 0; at < after.size(); ++at) {
        CAPTURE(at);
        const bool writable = at == 4 || at == 5 || at == 0x0c || at == 0x0d || at == 0x3c;
        CHECK((after[at] != before[at]) == writable);
    }
    CHECK(after[4] == std::byte{0x47});
    space.reset();
    CHECK(contents(space) == before);
}

TEST_CASE("what a guest wrote is restored, the command last", "[vfio_user]") {
    ConfigSpace saved;
    saved.write(0x04, Bytes{std::byte{0x06}, std::byte{0x04}});
    saved.write(0x0c, Bytes{std::byte{0x10}, std::byte{0x20}});
    saved.write(0x3c, Bytes{std::byte{11}});
    ConfigSpace target;
    const auto writes = config_writes(contents(saved), contents(target));
    REQUIRE(writes.has_value());
    CHECK(writes->back().offset == 0x04);
    for (const ConfigWrite& write : *writes) target.write(write.offset, write.bytes);
    CHECK(contents(target) == contents(saved));
}

TEST_CASE("the addresses of the other host are left alone", "[vfio_user]") {
    Bytes saved = contents(ConfigSpace());
    for (std::size_t at = 0x10; at < 0x28; ++at) saved[at] = std::byte{0xee};
    const auto writes = config_writes(saved, contents(ConfigSpace()));
    REQUIRE(writes.has_value());
    for (const ConfigWrite& write : *writes) {
        CHECK((write.offset + write.bytes.size() <= 0x10 || write.offset >= 0x28));
    }
}

TEST_CASE("the config space of another device is refused", "[vfio_user]") {
    const Bytes current = contents(ConfigSpace());
    const auto refused = GENERATE(values<std::pair<std::size_t, const char*>>({
        {0x00, "vendor"},
        {0x03, "device"},
        {0x08, "revision"},
        {0x0a, "class"},
        {0x0e, "header type"},
        {0x2c, "subsystem vendor"},
        {0x2f, "subsystem"},
    }));
    Bytes saved = current;
    saved[refused.first] ^= std::byte{1};
    const auto writes = config_writes(saved, current);
    REQUIRE_FALSE(writes.has_value());
    CHECK(writes.error().what.find(refused.second) != std::string::npos);
    CHECK_FALSE(config_writes(Bytes(4096), current).has_value());
    CHECK_FALSE(config_writes(Bytes(63), Bytes(63)).has_value());
}

}  // namespace multifd::vfio_user
