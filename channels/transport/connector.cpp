#include "channels/transport/connector.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "channels/transport/congestion_control.hpp"
#include "channels/transport/descriptor.hpp"
#include "channels/transport/readiness.hpp"
#include "channels/transport/resolver.hpp"
#include "channels/transport/system_error.hpp"
#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

/// How soon a UNIX listener whose backlog is full is asked again; the kernel gives no signal.
constexpr std::chrono::milliseconds kBacklogRetry{10};

ErrorCode await_room_in_backlog(Deadline deadline, const Interrupt* interrupt) {
    const Deadline retry = Clock::now() + kBacklogRetry;
    const ErrorCode error = wait_until_ready(-1, 0, std::min(retry, deadline), interrupt);
    return error == Errc::phase_timeout && retry < deadline ? ErrorCode{} : error;
}

ErrorCode finish_connecting(int fd, Deadline deadline, const Interrupt* interrupt) {
    if (const ErrorCode error = wait_until_ready(fd, POLLOUT, deadline, interrupt)) return error;
    int outcome = 0;
    socklen_t size = sizeof outcome;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &outcome, &size) != 0) return last_system_error();
    return system_error(outcome);
}

ErrorCode connect_socket(int fd, const SocketAddress& target, Deadline deadline,
                         const Interrupt* interrupt) {
    while (::connect(fd, target.get(), target.length) != 0) {
        if (errno == EINPROGRESS) return finish_connecting(fd, deadline, interrupt);
        if (errno != EAGAIN) return last_system_error();
        if (const ErrorCode error = await_room_in_backlog(deadline, interrupt)) return error;
    }
    return {};
}

ErrorCode leave_from(int fd, const SocketAddress& from) {
    // The port is picked on connecting, where it need only differ for the same destination.
    const int on = 1;
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (::bind(fd, from.get(), from.length) == 0) return {};
    return errno == EADDRNOTAVAIL ? ErrorCode(Errc::bind_not_local) : last_system_error();
}

Result<Connection> attempt(const SocketAddress& target, const NetworkPath& path,
                           const std::string& peer, Deadline deadline, const Interrupt* interrupt) {
    Descriptor socket(
        ::socket(target.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, /*protocol=*/0));
    if (!socket.is_open()) return last_system_error();
    disable_coalescing(socket.get());
    if (path.from) {
        if (const ErrorCode error = leave_from(socket.get(), *path.from)) return error;
    }
    ErrorCode error = set_congestion_control(socket.get(), path.congestion_control);
    if (!error) error = connect_socket(socket.get(), target, deadline, interrupt);
    if (error) return error;
    return Connection(socket.release(), peer);
}

/// An even share of the time that is left, for one of `attempts_left` attempts.
Deadline share_of(Deadline deadline, std::size_t attempts_left) {
    if (deadline == kNoDeadline) return kNoDeadline;
    const auto now = Clock::now();
    return now + (deadline - now) / static_cast<Clock::rep>(attempts_left);
}

Result<std::vector<SocketAddress>> targets_of(const Address& address, Deadline deadline,
                                              const Interrupt* interrupt) {
    if (address.family == Address::Family::tcp) {
        if (address.host.empty() || address.port == 0) return ErrorCode(Errc::address_invalid);
        return resolve(address.host, address.port, deadline, interrupt);
    }
    const auto name = unix_socket_address(address.path);
    if (!name) return name.error();
    return std::vector{*name};
}

Result<Connection> try_each(const std::vector<SocketAddress>& targets, const NetworkPath& path,
                            const std::string& peer, Deadline deadline,
                            const Interrupt* interrupt) {
    ErrorCode last;
    for (std::size_t index = 0; index < targets.size(); ++index) {
        const Deadline share = share_of(deadline, targets.size() - index);
        auto made = attempt(targets[index], path, peer, share, interrupt);
        if (made || made.error() == Errc::cancelled) return made;
        last = made.error();
    }
    return as_connect_timeout(last);
}

}  // namespace

Result<Connection> connect(const NetworkPath& path, Deadline deadline, const Interrupt* interrupt) {
    auto targets = targets_of(path.to, deadline, interrupt);
    if (!targets) return as_connect_timeout(targets.error());
    if (path.from) {
        std::erase_if(*targets, [&](const SocketAddress& target) {
            return target.family() != path.from->family();
        });
        if (targets->empty()) return ErrorCode(Errc::bind_family_wrong);
    }
    return try_each(*targets, path, to_string(path.to), deadline, interrupt);
}

Result<Connection> connect(const Address& address, Deadline deadline, const Interrupt* interrupt) {
    return connect(NetworkPath{.to = address}, deadline, interrupt);
}

Result<Connection> connect(const std::vector<SocketAddress>& targets, const std::string& peer,
                           Deadline deadline, const Interrupt* interrupt) {
    MULTIFD_ASSERT(!targets.empty());
    return try_each(targets, {}, peer, deadline, interrupt);
}

}  // namespace multifd
