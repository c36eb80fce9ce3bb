// What our own messages carry: heartbeats, errors of the other end, verify tables.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "channels/wire/error.hpp"

namespace multifd {

/// "I live": sent either way on the control connection, also while device calls block.
struct Heartbeat {
    std::uint64_t progress = 0;  ///< Grows whenever anything moved at the sender.
    std::uint8_t status = 0;     ///< The sender's Status, as a number.

    bool operator==(const Heartbeat&) const = default;
};
inline constexpr std::size_t kHeartbeatBytes = 9;

std::array<std::byte, kHeartbeatBytes> encode(const Heartbeat& heartbeat) noexcept;
/// Errors:    message_malformed.
Result<Heartbeat> decode_heartbeat(std::span<const std::byte> source) noexcept;

/// One u32, as PING, PONG and SHUT carry.
/// Errors:    message_malformed.
std::array<std::byte, 4> encode_u32(std::uint32_t value) noexcept;
Result<std::uint32_t> decode_u32(std::span<const std::byte> source) noexcept;

/// Why the other end failed. Travels as JSON in the control error, ABORT, REFUSED and RUNNING.
struct PeerError {
    std::string code;    ///< An Errc's name; a newer peer may send one that is unknown here.
    std::string phase;   ///< The sender's status name.
    std::string device;  ///< Empty when no device is concerned.
    std::optional<std::uint32_t> idx;
    std::optional<std::uint32_t> channel;
    std::string message;  ///< One line; control characters have become spaces.

    bool operator==(const PeerError&) const = default;
};
inline constexpr std::size_t kPeerErrorBytesMax = 16384;

/// Never fails: what is too long is cut, what is not UTF-8 is replaced.
std::vector<std::byte> encode(const PeerError& error);
/// Unknown keys are ignored.
/// Errors:    message_malformed.
Result<PeerError> decode_peer_error(std::span<const std::byte> source);

/// What one end counted for one device.
struct VerifyEntry {
    std::uint32_t device = 0;  ///< Its index in the source's hello.
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    std::uint64_t digest = 0;

    bool operator==(const VerifyEntry&) const = default;
};
inline constexpr std::size_t kVerifyEntryBytes = 28;
inline constexpr std::size_t kVerifyEntriesPerMessage = 2340;

struct VerifyTable {
    bool more = false;  ///< Another message of the same kind continues the table.
    std::vector<VerifyEntry> entries;
};

/// Whether a VERIFY command or LOADED message may have this length.
constexpr bool verify_length_valid(std::size_t length) noexcept {
    return length >= 1 && (length - 1) % kVerifyEntryBytes == 0;
}

/// The bodies of as many VERIFY commands or LOADED messages as it takes; one at least.
std::vector<std::vector<std::byte>> encode_verify(std::span<const VerifyEntry> entries);
/// Errors:    message_malformed.
Result<VerifyTable> decode_verify(std::span<const std::byte> source);

}  // namespace multifd
