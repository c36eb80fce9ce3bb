// Framed messages: the return path of the main channel, and both directions of our control
// connection. u16 type, u16 length, data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "channels/wire/error.hpp"

namespace multifd {

inline constexpr std::size_t kMessageHeadBytes = 4;
inline constexpr std::size_t kMessageDataBytesMax = 65535;

/// Destination to source on the main channel. The first three are QEMU's.
enum class ReturnPathType : std::uint16_t {
    shut = 1,                  ///< u32 error code; towards QEMU only.
    pong = 2,                  ///< u32, the PING's value.
    switchover_ack = 7,        ///< empty
    hello = 0x4d01,            ///< JSON, see hello.hpp
    ready = 0x4d02,            ///< empty
    loaded = 0x4d03,           ///< verify table, see message_bodies.hpp
    running = 0x4d04,          ///< empty, or a PeerError
    refused = 0x4d05,          ///< empty, or a PeerError
    pre_copy_status = 0x4d06,  ///< see message_bodies.hpp; answers a PRE_COPY_QUERY
    transfer_report = 0x4d07,  ///< JSON, see transfer_report.hpp; before LOADED
};

/// Either way on the control connection.
enum class ControlType : std::uint16_t {
    heartbeat = 0x4d41,       ///< Heartbeat
    error = 0x4d42,           ///< PeerError
    cancel_request = 0x4d43,  ///< empty
};

struct Message {
    std::uint16_t type = 0;
    std::span<const std::byte> data;  ///< A view of what was parsed.
};

/// No message: `needed` bytes in all must be visible to go on.
struct ParsedMessage {
    std::optional<Message> message;
    std::size_t consumed = 0;
    std::size_t needed = 0;
};

/// Errors:    return_path_type_unknown, return_path_length_wrong; both are seen in the first 4
///            bytes.
Result<ParsedMessage> parse_return_path(std::span<const std::byte> visible) noexcept;
Result<ParsedMessage> parse_control(std::span<const std::byte> visible) noexcept;

/// `data` is at most kMessageDataBytesMax (asserted).
void append_message(std::vector<std::byte>& target, std::uint16_t type,
                    std::span<const std::byte> data = {});
inline void append_message(std::vector<std::byte>& target, ReturnPathType type,
                           std::span<const std::byte> data = {}) {
    append_message(target, static_cast<std::uint16_t>(type), data);
}
inline void append_message(std::vector<std::byte>& target, ControlType type,
                           std::span<const std::byte> data = {}) {
    append_message(target, static_cast<std::uint16_t>(type), data);
}

}  // namespace multifd
