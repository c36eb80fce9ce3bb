#include "engine/packets/device_directory.hpp"

#include <catch2/catch.hpp>
#include <string>

namespace multifd {

TEST_CASE("every device is found by its name and instance, and nothing else is", "[engine]") {
    const std::vector<DeviceIdentity> identities{{"nic", 1}, {"gpu0", 0}, {"nic", 0},
                                                 {"gpu", 7}, {"", 0},     {"gpu0", 4294967295}};
    const DeviceDirectory directory(identities);
    for (std::uint32_t i = 0; i < identities.size(); ++i) {
        CAPTURE(i);
        CHECK(directory.find(identities[i].idstr, identities[i].instance_id) == DeviceId{i});
    }
    for (const DeviceIdentity& stranger : std::vector<DeviceIdentity>{
             {"nic", 2}, {"gpu0", 1}, {"gpu", 0}, {"gp", 7}, {"gpu1", 0}, {"zzz", 0}, {"", 1}}) {
        CAPTURE(to_string(stranger));
        CHECK_FALSE(directory.find(stranger.idstr, stranger.instance_id));
    }
}

TEST_CASE("without devices nothing is found", "[engine]") {
    CHECK_FALSE(DeviceDirectory({}).find("gpu0", 0));
}

TEST_CASE("as many devices as the protocol allows are told apart", "[engine]") {
    std::vector<DeviceIdentity> identities;
    for (std::uint32_t i = 0; i < 4096; ++i) {
        identities.push_back({"device" + std::to_string((i * 2654435761U) % 4096), i % 3});
    }
    const DeviceDirectory directory(identities);
    for (std::uint32_t i = 0; i < identities.size(); ++i) {
        REQUIRE(directory.find(identities[i].idstr, identities[i].instance_id) == DeviceId{i});
    }
}

}  // namespace multifd
