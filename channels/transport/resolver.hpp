// resolve: from a host's name to the addresses to connect to or to listen on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "channels/transport/deadline.hpp"
#include "channels/transport/interrupt.hpp"
#include "channels/transport/socket_address.hpp"

namespace multifd {

/// Of an IPv4 or IPv6 address in numbers ("fe80::1%eth0" included), without asking anybody.
/// Errors:    address_invalid.
Result<SocketAddress> numeric_address(const std::string& host, std::uint16_t port);

/// At least one address. Blocks until it is there; a numeric host needs no name server.
Result<std::vector<SocketAddress>> resolve(const std::string& host, std::uint16_t port);

/// The same within a deadline. A name server that does not answer keeps a thread of its own busy,
/// which is left behind: the system's resolver cannot be interrupted.
/// Errors:    phase_timeout, cancelled, or the resolver's.
Result<std::vector<SocketAddress>> resolve(const std::string& host, std::uint16_t port,
                                           Deadline deadline, const Interrupt* interrupt);

}  // namespace multifd
