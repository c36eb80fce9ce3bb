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
    /// Of `bytes`, those read before the device stopped. Present in all entries of a table or in
    /// none: when pre-copy data takes the channels.
    std::optional<std::uint64_t> pre_copy_bytes{};

    bool operator==(const VerifyEntry&) const = default;
};
inline constexpr std::size_t kVerifyEntryBytes = 28;
inline constexpr std::size_t kVerifyEntriesPerMessage = 2340;
inline constexpr std::size_t kVerifyPreCopyEntryBytes = 36;
inline constexpr std::size_t kVerifyPreCopyEntriesPerMessage = 1820;

struct VerifyTable {
    bool more = false;  ///< Another message of the same kind continues the table.
    std::vector<VerifyEntry> entries;
};

/// Whether a VERIFY command or LOADED message may have this length.
constexpr bool verify_length_valid(std::size_t length) noexcept {
    return length >= 1 &&
           ((length - 1) % kVerifyEntryBytes == 0 || (length - 1) % kVerifyPreCopyEntryBytes == 0);
}

/// The bodies of as many VERIFY commands or LOADED messages as it takes; one at least.
std::vector<std::vector<std::byte>> encode_verify(std::span<const VerifyEntry> entries);
/// Errors:    message_malformed.
Result<VerifyTable> decode_verify(std::span<const std::byte> source);

/// Where a device's pre-copy packets end: everything below `next_idx`, nothing from there on.
struct SwitchoverEntry {
    std::uint32_t device = 0;  ///< Its index in the source's hello.
    std::uint32_t next_idx = 0;

    bool operator==(const SwitchoverEntry&) const = default;
};
inline constexpr std::size_t kSwitchoverEntryBytes = 8;

/// Whether a SWITCHOVER_AT command may have this length.
constexpr bool switchover_length_valid(std::size_t length) noexcept {
    return length >= kSwitchoverEntryBytes && length % kSwitchoverEntryBytes == 0;
}

/// 1 to kDevicesMax entries (asserted): they fit one command.
std::vector<std::byte> encode_switchover(std::span<const SwitchoverEntry> entries);
/// Errors:    message_malformed, idx_reserved.
Result<std::vector<SwitchoverEntry>> decode_switchover(std::span<const std::byte> source);

/// How far the destination is with one device's pre-copy packets.
struct PreCopyStatusEntry {
    std::uint32_t device = 0;        ///< Its index in the source's hello.
    std::uint64_t loaded_bytes = 0;  ///< Of its pre-copy data, written to the device.
    std::uint64_t write_us = 0;      ///< Microseconds that the device took for them.

    bool operator==(const PreCopyStatusEntry&) const = default;
};
inline constexpr std::size_t kPreCopyStatusEntryBytes = 20;
inline constexpr std::size_t kPreCopyStatusEntriesPerMessage = 3276;

struct PreCopyStatusTable {
    bool more = false;  ///< Another message of the same kind continues the table.
    std::vector<PreCopyStatusEntry> entries;
};

/// Whether a PRE_COPY_STATUS message may have this length.
constexpr bool pre_copy_status_length_valid(std::size_t length) noexcept {
    return length > kPreCopyStatusEntryBytes && (length - 1) % kPreCopyStatusEntryBytes == 0;
}

/// The bodies of as many PRE_COPY_STATUS messages as it takes; at least one entry (asserted).
std::vector<std::vector<std::byte>> encode_pre_copy_status(
    std::span<const PreCopyStatusEntry> entries);
/// Errors:    message_malformed.
Result<PreCopyStatusTable> decode_pre_copy_status(std::span<const std::byte> source);

}  // namespace multifd
