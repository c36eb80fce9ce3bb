// ConnectionPair: both ends of one stream socket in this process, and bounded ways to use them.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "channels/transport/connection.hpp"

namespace multifd {

/// What a correct test never needs; it only bounds the waits of one that fails.
inline constexpr auto kPatience = std::chrono::seconds(20);
inline Deadline patience() {
    return Clock::now() + kPatience;
}

/// Whether `condition` comes true before patience ends.
bool await(const std::function<bool()>& condition);

struct ConnectionPair {
    /// Throws std::system_error.
    ConnectionPair();
    Connection ours, theirs;
};

/// Makes the kernel hold little of what nobody reads.
void shrink_send_buffer(const Connection& connection);

/// Everything until the peer ends its direction, or until patience ends.
std::vector<std::byte> read_all(Connection& connection);
/// Exactly `size` bytes; fewer when the peer ends its direction first, or patience does.
std::vector<std::byte> read_exactly(Connection& connection, std::size_t size);
/// What can be read without waiting, at most 64 KiB.
std::vector<std::byte> read_available(const Connection& connection);
/// Whether the peer has closed without another byte, within patience.
bool reads_end(Connection& connection);
/// All of `bytes`; false when the connection breaks or patience ends.
bool write_all(Connection& connection, std::span<const std::byte> bytes);
/// Every piece waits until the one before has been read, so that the reader sees just these pieces.
bool write_in_pieces(Connection& connection, std::span<const std::byte> bytes, std::size_t piece);

}  // namespace multifd
