// SocketAddress: an address as the kernel takes it.
#pragma once

#include <sys/socket.h>

#include <string>

#include "channels/transport/address.hpp"

namespace multifd {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = sizeof(sockaddr_storage);

    [[nodiscard]] const sockaddr* get() const noexcept {
        return reinterpret_cast<const sockaddr*>(&storage);
    }
    [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
    [[nodiscard]] int family() const noexcept { return storage.ss_family; }
};

/// Errors:    ENAMETOOLONG for a path that does not fit (107 bytes).
Result<SocketAddress> unix_socket_address(const std::string& path);

/// The reverse; an unnamed UNIX socket gives an empty path.
Address address_of(const SocketAddress& socket_address);

/// This end's address of a connected socket.
Address local_address_of(int fd);
/// The other end's.
Address remote_address_of(int fd);

/// Sends small messages at once instead of waiting to fill a segment. Nothing for UNIX sockets.
void disable_coalescing(int fd) noexcept;

}  // namespace multifd
