// The congestion control of TCP sockets: which of the kernel's algorithms paces the sender.
#pragma once

#include <string>

#include "channels/wire/error.hpp"

namespace multifd {

/// Before connect() or listen(); accepted sockets inherit their listener's. An empty name leaves
/// the system's choice, and so does a UNIX socket, which has none.
/// Errors:    ENOENT when the kernel has no such algorithm, EPERM when only root may use it.
ErrorCode set_congestion_control(int fd, const std::string& name) noexcept;

/// Whether set_congestion_control() would work now in this process, tried on a socket of its own.
ErrorCode try_congestion_control(const std::string& name) noexcept;

/// What the socket uses; empty when it is no TCP socket.
std::string congestion_control_of(int fd);

/// What the kernel offers at the moment, for messages: "reno cubic bbr"; empty when it is not said.
std::string available_congestion_controls();

}  // namespace multifd
