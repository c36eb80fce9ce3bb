// Which way each connection goes.
#include "engine/paths/network_paths.hpp"

#include <catch2/catch.hpp>

namespace multifd {

TEST_CASE("each address is a path, with its source address when it has one", "[engine]") {
    SourceSettings settings;
    settings.to = "tcp:10.0.0.2:4444";
    settings.also_to = {"tcp:[fd00::2]:4444", "unix:/there", "tcp:10.2.0.2:4444"};
    settings.bind = {"10.0.0.1", "fd00::1", "any"};
    std::string wrong;
    const auto paths = network_paths(settings, wrong);
    REQUIRE(paths.has_value());
    REQUIRE(paths->size() == 4);
    CHECK(describe((*paths)[0]) == "tcp:10.0.0.2:4444 from 10.0.0.1");
    CHECK(describe((*paths)[1]) == "tcp:[fd00::2]:4444 from fd00::1");
    CHECK(describe((*paths)[2]) == "unix:/there");
    CHECK(describe((*paths)[3]) == "tcp:10.2.0.2:4444");
}

TEST_CASE("an address that is none is named", "[engine]") {
    SourceSettings settings;
    settings.to = "unix:/there";
    settings.also_to = {"tcp:nowhere"};
    std::string wrong;
    CHECK(network_paths(settings, wrong).error() == Errc::address_invalid);
    CHECK(wrong == "tcp:nowhere");
}

TEST_CASE("channels take the paths in turn, so that no two paths differ by more than one",
          "[engine]") {
    for (std::size_t paths = 1; paths <= 255; ++paths) {
        std::vector<unsigned> channels(paths);
        for (unsigned id = 0; id < 255; ++id) {
            ++channels[path_of(ChannelId{static_cast<std::uint8_t>(id)}, paths)];
        }
        CAPTURE(paths);
        CHECK(channels.front() - channels.back() <= 1);
        CHECK(channels.back() >= 1);
    }
}

}  // namespace multifd
