// DeviceServer: serves one device to vfio-user clients on a UNIX socket, one after the other.
#pragma once

#include <string>

#include "channels/transport/connection.hpp"
#include "channels/transport/interrupt.hpp"
#include "channels/transport/listening_socket.hpp"
#include "engine/devices/vfio_user/line_limit.hpp"
#include "engine/devices/vfio_user/request_handler.hpp"

namespace multifd::vfio_user {

/// Ownership: device, config space and interrupt outlive this object; owns the socket and its file.
/// Threads:   run() blocks; everything else from any thread.
/// Errors:    the constructor throws std::system_error when it cannot listen. A client that breaks
///            the protocol or goes away costs its connection, and nothing else; without
///            descriptors or memory for one, accepting is tried again.
class DeviceServer {
  public:
    /// Listens from here on. `log` may be called from run()'s thread.
    DeviceServer(const std::string& socket_path, ServedDevice& device, Interface interface,
                 const Interrupt& stop, RequestHandler::Log log);

    /// Until `stop` is raised: a client that is being served is left then.
    void run();
    /// Removes the socket's file. Idempotent.
    void remove_file() const noexcept { socket_.remove_file(); }

  private:
    void serve(Connection connection);
    /// `begin`: when the message must have begun.
    bool serve_message(Connection& connection, RequestHandler& handler, Deadline begin);
    bool receive(Connection& connection, std::span<std::byte> target, Deadline deadline);

    ServedDevice& device_;
    ConfigSpace config_;
    const Interface interface_;
    const Interrupt& stop_;
    const RequestHandler::Log log_;
    ListeningSocket socket_;
    LineLimit lines_;
    Bytes payload_;
};

}  // namespace multifd::vfio_user
