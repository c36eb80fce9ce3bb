#include "engine/devices/vfio/pci_config_state.hpp"

#include <catch2/catch.hpp>
#include <map>

namespace multifd {
namespace {

using Bytes = std::vector<std::byte>;

struct Space {
    explicit Space(std::size_t size = 256) : bytes(size) {
        set(0x00, {0xb3, 0x15, 0x1e, 0x10});  // Vendor and device.
        set(0x08, {0x01, 0x00, 0x00, 0x02});  // Revision and class.
    }
    Space& set(std::size_t offset, std::initializer_list<unsigned> values) {
        for (const unsigned value : values) bytes.at(offset++) = static_cast<std::byte>(value);
        return *this;
    }
    /// A capability list with these: id and place.
    Space& capabilities(std::initializer_list<std::pair<unsigned, unsigned>> list) {
        set(0x06, {0x10});
        std::size_t link = 0x34;
        for (const auto& [id, place] : list) {
            set(link, {place});
            set(place, {id, 0});
            link = place + 1;
        }
        return *this;
    }
    Bytes bytes;
};

std::map<std::uint32_t, Bytes> by_offset(const ConfigRestore& plan) {
    std::map<std::uint32_t, Bytes> writes;
    for (const ConfigWrite& write : plan.writes) writes[write.offset] = write.bytes;
    return writes;
}

Bytes of(std::initializer_list<unsigned> values) {
    Bytes bytes;
    for (const unsigned value : values) bytes.push_back(static_cast<std::byte>(value));
    return bytes;
}

TEST_CASE("the config state is laid out as QEMU's, by the size of the space", "[vfio]") {
    CHECK(encode_config_state(Space(256).bytes).size() == 4 + 256 + 16);
    // The sample driver mtty shows 255 bytes; QEMU takes whatever is not 256 for PCI Express.
    const Bytes odd = encode_config_state(Space(255).bytes);
    CHECK(odd.size() == 4 + 4096 + 16);
    CHECK(Bytes(odd.begin(), odd.begin() + 8) == of({0, 0, 0, 2, 0xb3, 0x15, 0x1e, 0x10}));
    CHECK(encode_config_state(Space(4096).bytes).size() == 4 + 4096 + 16);
}

TEST_CASE("BARs keep their kind and lose this host's addresses", "[vfio]") {
    Space space;
    space.set(0x10, {0x01, 0xc0, 0, 0});                       // I/O.
    space.set(0x14, {0x0c, 0, 0x10, 0xfe, 0x34, 0x12, 0, 0});  // 64 bits wide, prefetchable.
    space.set(0x1c, {0x00, 0, 0x20, 0xfe});                    // 32 bits wide.
    space.set(0x30, {0x01, 0, 0x30, 0xfe});                    // Expansion ROM.
    const Bytes state = encode_config_state(space.bytes);
    const auto saved = [&](std::size_t offset, std::size_t count) {
        const auto begin = state.begin() + static_cast<std::ptrdiff_t>(4 + offset);
        return Bytes(begin, begin + static_cast<std::ptrdiff_t>(count));
    };
    CHECK(saved(0x10, 16) == of({1, 0, 0, 0, 0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
    CHECK(saved(0x30, 4) == of({0, 0, 0, 0}));
}

TEST_CASE("with MSI-X, a masked entry for each vector and the pending bits follow", "[vfio]") {
    Space space;
    space.capabilities({{0x05, 0x50}, {0x11, 0x60}}).set(0x62, {0x08, 0x80});  // Nine vectors.
    const Bytes state = encode_config_state(space.bytes);
    REQUIRE(state.size() == 4 + 256 + 16 + 9 * 16 + 2);
    for (std::size_t vector = 0; vector < 9; ++vector) {
        CHECK(state[4 + 256 + 16 + vector * 16 + 12] == std::byte{1});
    }
}

TEST_CASE("a capability list that runs in a circle ends", "[vfio]") {
    Space space;
    space.capabilities({{0x05, 0x50}}).set(0x51, {0x50});
    CHECK(encode_config_state(space.bytes).size() == 4 + 256 + 16);
    space.set(0x51, {0xfc}).set(0xfc, {0x11, 0});
    CHECK(encode_config_state(space.bytes).size() == 4 + 256 + 16 + 16 + 1);
}

TEST_CASE("what software may set is restored, and nothing else", "[vfio]") {
    Space there;
    there.capabilities({{0x10, 0x40}});
    there.set(0x04, {0xff, 0xff}).set(0x0c, {0x10, 0x20}).set(0x3c, {0x0b});
    there.set(0x48, {0xff, 0xff}).set(0x10, {0x00, 0, 0, 0xfe});
    Space here;
    here.capabilities({{0x10, 0x40}}).set(0x48, {0xa0, 0x01});
    const ConfigRestore plan = plan_config_restore(encode_config_state(there.bytes), here.bytes);
    REQUIRE_FALSE(plan.mismatch);
    const auto writes = by_offset(plan);
    CHECK(writes == std::map<std::uint32_t, Bytes>{{0x0c, of({0x10})},
                                                   {0x0d, of({0x20})},
                                                   {0x3c, of({0x0b})},
                                                   // Payload size 0xa0 is this host's; no reset.
                                                   {0x48, of({0xbf, 0x79})},
                                                   {0x04, of({0x47, 0x05})}});
    CHECK(plan.writes.back().offset == 0x04);
}

TEST_CASE("a device control elsewhere in the list is left alone", "[vfio]") {
    Space there, here;
    there.capabilities({{0x10, 0x40}});
    here.capabilities({{0x10, 0x50}});
    const auto plan = plan_config_restore(encode_config_state(there.bytes), here.bytes);
    REQUIRE_FALSE(plan.mismatch);
    CHECK(by_offset(plan).count(0x58) == 0);
    CHECK(by_offset(plan).count(0x48) == 0);
}

TEST_CASE("a config state of another device is refused by the field that differs", "[vfio]") {
    struct Case {
        const char* name;
        std::size_t offset;
        const char* words;
    };
    const auto other =
        GENERATE(values<Case>({{"vendor", 0x00, "PCI vendor 0x15b2, here 0x15b3"},
                               {"device", 0x03, "PCI device 0x111e, here 0x101e"},
                               {"revision", 0x08, "PCI revision 0x00, here 0x01"},
                               {"class", 0x0b, "PCI class 0x030000, here 0x020000"},
                               {"header", 0x0e, "PCI header type 0x01, here 0x00"}}));
    INFO(other.name);
    const Space here;
    Space there;
    there.bytes[other.offset] ^= std::byte{1};
    const auto plan = plan_config_restore(encode_config_state(there.bytes), here.bytes);
    REQUIRE(plan.mismatch);
    CHECK_THAT(*plan.mismatch, Catch::Contains(other.words));
    CHECK(plan.writes.empty());
}

TEST_CASE("a config state is refused at every length that is too short", "[vfio]") {
    const Space here;
    const Bytes state = encode_config_state(here.bytes);
    for (std::size_t size = 0; size < state.size(); ++size) {
        CAPTURE(size);
        REQUIRE(plan_config_restore(std::span(state).first(size), here.bytes).mismatch);
    }
    CHECK_FALSE(plan_config_restore(state, here.bytes).mismatch);
    Bytes other_layout = state;
    other_layout[3] = std::byte{3};
    CHECK(plan_config_restore(other_layout, here.bytes).mismatch);
    // A peer's interrupt table may follow; it is the VMM's.
    Bytes longer = state;
    longer.resize(longer.size() + 100);
    CHECK_FALSE(plan_config_restore(longer, here.bytes).mismatch);
}

}  // namespace
}  // namespace multifd
