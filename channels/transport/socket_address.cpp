#include "channels/transport/socket_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "channels/transport/system_error.hpp"

namespace multifd {

Result<SocketAddress> unix_socket_address(const std::string& path) {
    sockaddr_un name{};
    if (path.size() >= sizeof name.sun_path) return system_error(ENAMETOOLONG);
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, path.data(), path.size());
    SocketAddress result;
    result.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    std::memcpy(&result.storage, &name, sizeof name);
    return result;
}

Address address_of(const SocketAddress& socket_address) {
    Address address;
    if (socket_address.family() == AF_UNIX) {
        address.family = Address::Family::unix_path;
        sockaddr_un name{};
        const std::size_t length = std::min<std::size_t>(socket_address.length, sizeof name);
        std::memcpy(&name, &socket_address.storage, length);
        const std::size_t offset = offsetof(sockaddr_un, sun_path);
        if (length > offset)
            address.path.assign(name.sun_path, ::strnlen(name.sun_path, length - offset));
        return address;
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (socket_address.family() == AF_INET) {
        sockaddr_in name{};
        std::memcpy(&name, &socket_address.storage, sizeof name);
        ::inet_ntop(AF_INET, &name.sin_addr, text.data(), text.size());
        address.port = ntohs(name.sin_port);
    } else {
        sockaddr_in6 name{};
        std::memcpy(&name, &socket_address.storage, sizeof name);
        ::inet_ntop(AF_INET6, &name.sin6_addr, text.data(), text.size());
        address.port = ntohs(name.sin6_port);
    }
    address.host = text.data();
    return address;
}

Address local_address_of(int fd) {
    SocketAddress name;
    if (::getsockname(fd, name.get(), &name.length) != 0) return {};
    return address_of(name);
}

Address remote_address_of(int fd) {
    SocketAddress name;
    if (::getpeername(fd, name.get(), &name.length) != 0) return {};
    return address_of(name);
}

void disable_coalescing(int fd) noexcept {
    const int on = 1;
    // Fails on a UNIX socket, which never coalesces.
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace multifd
