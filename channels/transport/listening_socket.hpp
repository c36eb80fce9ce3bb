// ListeningSocket: a bound, listening socket and the name it leaves in the file system.
#pragma once

#include <sys/types.h>

#include <string>

#include "channels/transport/address.hpp"
#include "channels/transport/connection.hpp"
#include "channels/transport/descriptor.hpp"
#include "channels/transport/socket_address.hpp"

namespace multifd {

/// Ownership: the descriptor and, of a UNIX socket, its file, which goes with it. A file left by a
///            listener that died is replaced.
/// Threads:   not thread-safe, but for is_due() and remove_file().
/// Errors:    the constructor throws std::system_error: EADDRINUSE also when a live listener owns
///            the file, or when the path is no socket.
class ListeningSocket {
  public:
    /// What it accepts has the same congestion control; an empty one is the system's.
    explicit ListeningSocket(const Address& address, const std::string& congestion_control = {});
    ~ListeningSocket();
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;

    struct Accepted {
        Descriptor socket;  ///< Non-blocking.
        std::string peer;
    };
    /// Without waiting: EAGAIN when nobody is there.
    Result<Accepted> accept() const;
    /// Whether somebody is there. From any thread.
    [[nodiscard]] bool is_due() const noexcept;

    /// Removes a UNIX socket's file, unless another listener's stands there. Idempotent.
    void remove_file() const noexcept;

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    [[nodiscard]] const Address& local_address() const noexcept { return local_address_; }

  private:
    void listen_on_tcp(const Address& address);
    void listen_on_path(const std::string& path);

    Descriptor socket_;
    Address local_address_;
    // Which file is ours: another listener may have replaced it meanwhile.
    dev_t file_device_ = 0;
    ino_t file_inode_ = 0;
};

/// Whether accept() failed for what became of one connection, and the next may succeed.
bool concerns_one_connection(const ErrorCode& error);

}  // namespace multifd
