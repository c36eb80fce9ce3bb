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

}  // namespace multifd::vfio_user
