#include "channels/transport/connector.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "channels/transport/descriptor.hpp"
#include "channels/transport/readiness.hpp"
#include "channels/transport/resolver.hpp"
#include "channels/transport/system_error.hpp"
#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

/// How soon a UNIX listener whose backlog is full is asked again; the kernel gives no signal.
constexpr std::chrono::milliseconds kBacklogRetry{10};

ErrorCode as_connect_timeout(const ErrorCode& error) {
    return error == Errc::phase_timeout ? ErrorCode(Errc::connect_timeout) : error;
}

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

Result<Connection> attempt(const SocketAddress& target, const std::string& peer, Deadline deadline,
                           const Interrupt* interrupt) {
    Descriptor socket(
        ::socket(target.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, /*protocol=*/0));
    if (!socket.is_open()) return last_system_error();
    disable_coalescing(socket.get());
    const ErrorCode error = connect_socket(socket.get(), target, deadline, interrupt);
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

}  // namespace

Result<Connection> connect(const Address& address, Deadline deadline, const Interrupt* interrupt) {
    const auto targets = targets_of(address, deadline, interrupt);
    if (targets) return connect(*targets, to_string(address), deadline, interrupt);
    return as_connect_timeout(targets.error());
}

Result<Connection> connect(const std::vector<SocketAddress>& targets, const std::string& peer,
                           Deadline deadline, const Interrupt* interrupt) {
    MULTIFD_ASSERT(!targets.empty());
    ErrorCode last;
    for (std::size_t index = 0; index < targets.size(); ++index) {
        auto made =
            attempt(targets[index], peer, share_of(deadline, targets.size() - index), interrupt);
        if (made || made.error() == Errc::cancelled) return made;
        last = made.error();
    }
    return as_connect_timeout(last);
}

}  // namespace multifd
