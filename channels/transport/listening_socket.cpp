#include "channels/transport/listening_socket.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "channels/transport/congestion_control.hpp"
#include "channels/transport/resolver.hpp"
#include "channels/transport/system_error.hpp"

namespace multifd {
namespace {

[[noreturn]] void fail(const ErrorCode& error, const std::string& what) {
    throw std::system_error(static_cast<std::error_code>(error), what);
}

Descriptor make_socket(int family) {
    return Descriptor(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, /*protocol=*/0));
}

/// A socket bound to `name`, or closed with errno set.
Descriptor bound_socket(const SocketAddress& name) {
    Descriptor socket = make_socket(name.family());
    if (!socket.is_open()) return socket;
    const int on = 1;
    const int off = 0;
    if (name.family() != AF_UNIX) {
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    }
    if (name.family() == AF_INET6) {
        // "::" takes IPv4 too, whatever the system's default is.
        ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (::bind(socket.get(), name.get(), name.length) == 0) return socket;
    const int error = errno;
    socket.close();
    errno = error;
    return socket;
}

/// Whether the file is the socket of a listener that is gone.
bool is_stale_socket(const std::string& path, const SocketAddress& name) {
    struct stat file {};
    if (::lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
    const Descriptor probe = make_socket(AF_UNIX);
    return probe.is_open() && ::connect(probe.get(), name.get(), name.length) != 0 &&
           errno == ECONNREFUSED;
}

}  // namespace

ListeningSocket::ListeningSocket(const Address& address, const std::string& congestion_control) {
    const bool tcp = address.family == Address::Family::tcp;
    if (tcp) {
        listen_on_tcp(address);
    } else {
        listen_on_path(address.path);
    }
    if (const auto error = set_congestion_control(socket_.get(), congestion_control)) {
        fail(error, "congestion control " + congestion_control);
    }
    if (::listen(socket_.get(), SOMAXCONN) != 0) fail(last_system_error(), to_string(address));
    SocketAddress name;
    if (tcp && ::getsockname(socket_.get(), name.get(), &name.length) == 0) {
        local_address_ = address_of(name);
    } else {
        local_address_ = address;
    }
}

ListeningSocket::~ListeningSocket() {
    remove_file();
}

bool ListeningSocket::is_due() const noexcept {
    pollfd waiting{fd(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) > 0;
}

void ListeningSocket::remove_file() const noexcept {
    if (local_address_.family != Address::Family::unix_path) return;
    struct stat file {};
    if (::lstat(local_address_.path.c_str(), &file) == 0 && file.st_dev == file_device_ &&
        file.st_ino == file_inode_) {
        ::unlink(local_address_.path.c_str());
    }
}

void ListeningSocket::listen_on_tcp(const Address& address) {
    std::vector<SocketAddress> names;
    if (address.host.empty()) {
        // Every interface: both families at once, or IPv4 where there is no IPv6.
        for (const auto* host : {"::", "0.0.0.0"}) {
            names.push_back(resolve(host, address.port)->front());
        }
    } else {
        auto resolved = resolve(address.host, address.port);
        if (!resolved) fail(resolved.error(), to_string(address));
        names = std::move(*resolved);
    }
    ErrorCode first;
    for (const auto& name : names) {
        socket_ = bound_socket(name);
        if (socket_.is_open()) return;
        if (!first) first = last_system_error();
        // A name's second address is no substitute for a first one that is taken.
        if (first != system_error(EAFNOSUPPORT) && first != system_error(EADDRNOTAVAIL)) break;
    }
    fail(first, to_string(address));
}

void ListeningSocket::listen_on_path(const std::string& path) {
    const auto name = unix_socket_address(path);
    if (!name) fail(name.error(), "unix:" + path);
    socket_ = bound_socket(*name);
    if (!socket_.is_open() && errno == EADDRINUSE) {
        if (!is_stale_socket(path, *name)) fail(system_error(EADDRINUSE), "unix:" + path);
        ::unlink(path.c_str());
        socket_ = bound_socket(*name);
    }
    if (!socket_.is_open()) fail(last_system_error(), "unix:" + path);
    struct stat file {};
    if (::lstat(path.c_str(), &file) != 0) fail(last_system_error(), "unix:" + path);
    file_device_ = file.st_dev;
    file_inode_ = file.st_ino;
}

Result<ListeningSocket::Accepted> ListeningSocket::accept() const {
    SocketAddress name;
    Descriptor socket(
        ::accept4(socket_.get(), name.get(), &name.length, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.is_open()) return last_system_error();
    disable_coalescing(socket.get());
    // A UNIX socket's client has no name; what it connected to says at least where.
    const bool named = name.family() != AF_UNIX;
    return Accepted{std::move(socket), to_string(named ? address_of(name) : local_address_)};
}

bool concerns_one_connection(const ErrorCode& error) {
    switch (error.value()) {
        case EINTR:
        case ECONNABORTED:
        case EPROTO:
        case EPERM:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
        case ETIMEDOUT:
            return true;
        default:
            return false;
    }
}

}  // namespace multifd
