#include "channels/wire/ids.hpp"

#include <catch2/catch.hpp>

using namespace multifd;

TEST_CASE("a session id is 32 lower-case hexadecimal digits", "[wire]") {
    SessionId id;
    CHECK(to_string(id) == "00000000000000000000000000000000");
    for (std::size_t i = 0; i < 16; ++i) id.bytes[i] = static_cast<std::byte>(0xf0 + i);
    CHECK(to_string(id) == "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
}

TEST_CASE("a device is named by its idstr, and by its instance when that is not 0", "[wire]") {
    CHECK(to_string(DeviceIdentity{"gpu0", 0}) == "gpu0");
    CHECK(to_string(DeviceIdentity{"gpu0", 3}) == "gpu0/3");
    CHECK(DeviceIdentity{"gpu0", 3} != DeviceIdentity{"gpu0", 0});
}
