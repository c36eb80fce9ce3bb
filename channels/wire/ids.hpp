// Identities as types, so that one cannot be passed for another.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>

namespace multifd {

/// A multifd connection of a session: 0 to 254.
struct ChannelId {
    std::uint8_t value = 0;
    auto operator<=>(const ChannelId&) const = default;
};

/// A device of a session: its position in the session's device table, not a wire value.
struct DeviceId {
    std::uint32_t value = 0;
    auto operator<=>(const DeviceId&) const = default;
};

/// What names a device on the wire. QEMU's (idstr, instance_id) pair.
struct DeviceIdentity {
    std::string idstr;  ///< 1 to 255 bytes, no NUL.
    std::uint32_t instance_id = 0;
    auto operator<=>(const DeviceIdentity&) const = default;
};

/// 16 bytes that every channel of a session carries as its uuid. Random for each attempt towards a
/// multifd peer; the guest's UUID in a QEMU stream.
struct SessionId {
    std::array<std::byte, 16> bytes{};
    auto operator<=>(const SessionId&) const = default;
};

/// 32 lower-case hexadecimal digits.
std::string to_string(const SessionId& id);

/// "gpu0" or, when the instance is not 0, "gpu0/3": how messages name a device.
std::string to_string(const DeviceIdentity& identity);

}  // namespace multifd
