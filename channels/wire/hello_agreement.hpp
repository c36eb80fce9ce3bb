// What two hellos come to. Both ends compute it from the same two hellos, and come to the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "channels/wire/error.hpp"
#include "channels/wire/hello.hpp"

namespace multifd {

struct AgreedDevice {
    std::uint32_t source_index = 0;       ///< In the source's hello.
    std::uint32_t destination_index = 0;  ///< In the destination's hello.
    bool multifd = false;                 ///< Its state takes the channels.
    bool running = true;                  ///< It is to run at the destination.
    bool pre_copies = false;              ///< It gives a part of its state before it stops ...
    bool pre_copy_on_channels = false;    ///< ... and that takes the channels.

    bool operator==(const AgreedDevice&) const = default;
};

struct Agreement {
    std::uint32_t channels = 1;
    std::uint64_t packet_bytes = 0;
    bool verify = false;
    bool switchover_ack = false;
    bool pre_copy_on_channels = false;  ///< Of one device at least.
    std::vector<std::string> features;  ///< Named by both, in the source's order.
    std::vector<AgreedDevice> devices;  ///< In the source's order.

    [[nodiscard]] bool has(std::string_view feature) const;
    bool operator==(const Agreement&) const = default;
};

/// Why the migration cannot begin; `message` says what to change, and where.
struct Disagreement {
    ErrorCode code;
    std::string message;
    std::optional<DeviceIdentity> device;
};

/// Codes: channels_disagree, packet_size_disagree, devices_disagree, multifd_disagree,
/// feature_missing.
std::variant<Agreement, Disagreement> agree(const Hello& source, const Hello& destination);

}  // namespace multifd
