// Version negotiation of vfio-user: the first message each way. Sans-I/O.
//
//    0  u16 major     2  u16 minor     4  JSON text and a NUL, or nothing
//
// {"capabilities": {"max_msg_fds": 8, "max_data_xfer_size": 1048576}}; what is missing has the
// specification's default, what is unknown is ignored.
#pragma once

#include <cstdint>

#include "engine/devices/vfio_user/message.hpp"

namespace multifd::vfio_user {

/// The protocol's major version; another one is another protocol.
inline constexpr std::uint16_t kVersionMajor = 0;
/// libvfio-user's since migration follows VFIO v2.
inline constexpr std::uint16_t kVersionMinor = 1;

struct Version {
    std::uint16_t major = kVersionMajor;
    std::uint16_t minor = kVersionMinor;
    std::uint32_t max_msg_fds = 1;
    std::uint64_t max_data_xfer_size = kTransferBytesDefault;

    bool operator==(const Version&) const = default;
};

/// What we say of ourselves: as many bytes as we take, and no file descriptors.
[[nodiscard]] Version own_version() noexcept;

[[nodiscard]] Bytes encode(const Version& version);
/// Refuses another major version, text that does not end with NUL or is no JSON object, and
/// capabilities that are no numbers or out of range (max_msg_fds over 1024, no max_data_xfer_size).
[[nodiscard]] Decoded<Version> decode_version(ConstBytes payload);

/// What a server answers to `proposed`: its minor version at most.
[[nodiscard]] Version answer_to(const Version& proposed) noexcept;
/// The largest transfer that both take.
[[nodiscard]] std::size_t transfer_bytes(const Version& peer) noexcept;

}  // namespace multifd::vfio_user
