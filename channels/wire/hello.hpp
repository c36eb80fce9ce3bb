// What each end says of itself before any channel opens. JSON, at most 65535 bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "channels/wire/error.hpp"
#include "channels/wire/ids.hpp"

namespace multifd {

inline constexpr std::uint32_t kProtocolVersion = 1;

// Features.
inline constexpr std::string_view kFeatureZstd = "zstd";           ///< PacketEncoding::zstd.
inline constexpr std::string_view kFeatureZeroTail = "zero-tail";  ///< PacketEncoding::zero_tail.
inline constexpr std::string_view kFeatureZeroBlocks =
    "zero-blocks";  ///< PacketEncoding::zero_blocks.
/// A feature: pre-copy data of devices that use the channels takes the channels too.
inline constexpr std::string_view kFeaturePreCopyChannels = "pre-copy-channels";
/// A feature: the destination tells what its transfer took, see transfer_report.hpp.
inline constexpr std::string_view kFeatureTransferReport = "transfer-report";

/// A device's `multifd` property. The numbers are the wire's.
enum class MultifdChoice : std::uint8_t { automatic = 0, on = 1, off = 2 };

struct HelloDevice {
    DeviceIdentity identity;
    MultifdChoice multifd = MultifdChoice::automatic;
    bool running = true;  ///< Source: it runs, and is to run at the destination.
    /// The source's estimate of its state; left out when the hello has no room for it.
    std::uint64_t expected_bytes = 0;
    bool pre_copies = false;  ///< Source: it gives a part of its state before it stops.

    bool operator==(const HelloDevice&) const = default;
};

struct Hello {
    std::uint32_t protocol = kProtocolVersion;
    std::string software;               ///< "multifd 0.1.0"; for logs only.
    std::vector<std::string> features;  ///< Optional ones; those both ends name are agreed.
    /// Of `features`: without these this end does not begin.
    std::vector<std::string> required;
    std::uint32_t channels = 0;          ///< 0: the peer's.
    std::uint64_t packet_bytes = 0;      ///< Source: data of its packets. 0: not said.
    std::uint64_t packet_bytes_max = 0;  ///< Destination: the largest it takes. 0: not said.
    std::uint64_t queued_bytes_max = 0;  ///< Destination: its memory limit. 0: not said.
    bool verify = true;
    bool switchover_ack = false;
    std::vector<HelloDevice> devices;
    std::optional<SessionId> session;  ///< The destination's; absent from the source's.

    bool operator==(const Hello&) const = default;
};

/// `devices` and every field are within the protocol's limits (asserted).
/// Errors:    hello_too_large.
Result<std::vector<std::byte>> encode(const Hello& hello);

/// Unknown keys are ignored; every known value is checked for type and range.
/// Errors:    hello_too_large, hello_malformed, hello_version_unsupported.
Result<Hello> decode_hello(std::span<const std::byte> source);

}  // namespace multifd
