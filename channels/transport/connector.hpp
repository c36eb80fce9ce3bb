// connect: the source's way to a destination.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "channels/transport/address.hpp"
#include "channels/transport/connection.hpp"
#include "channels/transport/deadline.hpp"
#include "channels/transport/interrupt.hpp"
#include "channels/transport/socket_address.hpp"

namespace multifd {

/// One way to a destination.
struct NetworkPath {
    Address to;
    /// The address that connections leave from; its port is 0. Absent: the system chooses.
    std::optional<SocketAddress> from{};
    std::string congestion_control{};  ///< Of TCP; empty leaves the system's choice.
};

/// Connects along `path`. A name's addresses are tried one after the other, each with its share of
/// the time that is left, so that a dead first one does not eat it all.
/// Threads:   blocks the caller; any number at once. A name server that does not answer is left
///            behind in a thread of its own.
/// Errors:    connect_timeout, cancelled, address_invalid (no host, port 0), bind_not_local,
///            bind_family_wrong (none of a name's addresses is of the family of `from`), or the
///            system's code of the last attempt (ECONNREFUSED, ENOENT, ENAMETOOLONG, ...; also that
///            of set_congestion_control()).
Result<Connection> connect(const NetworkPath& path, Deadline deadline, const Interrupt* interrupt);
Result<Connection> connect(const Address& address, Deadline deadline, const Interrupt* interrupt);

/// The same for addresses already known, of which there is at least one, from anywhere.
Result<Connection> connect(const std::vector<SocketAddress>& targets, const std::string& peer,
                           Deadline deadline, const Interrupt* interrupt);

}  // namespace multifd
