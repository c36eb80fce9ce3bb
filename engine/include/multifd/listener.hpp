// Listener: one or more listening sockets that serve many sessions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "multifd/log.hpp"
#include "multifd/settings.hpp"

namespace multifd {

class ConnectionListener;

/// Accepts connections, learns from their first bytes what they are, and routes them: a main
/// channel to the Destination that has waited longest, every other connection to the session whose
/// id it carries. What belongs nowhere is refused without disturbing the rest.
/// Ownership: outlives every Destination that runs on it.
/// Threads:   all members may be called from any thread; it has one thread of its own.
/// Errors:    the constructor throws std::system_error when an address is invalid or taken; what()
///            begins with that address. It then listens on none of them.
///            std::invalid_argument when this process cannot have the congestion control.
class Listener {
  public:
    explicit Listener(const ListenerSettings& settings, LogSink log = {});
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    /// Where it listens, with the port that was picked: "tcp:127.0.0.1:40123". The first address,
    /// when there are several.
    [[nodiscard]] std::string address() const;
    /// All of them, in the order of the settings.
    [[nodiscard]] std::vector<std::string> addresses() const;

    /// Removes a UNIX socket's file at once, as the destructor does, for a process that ends
    /// without one. Nobody new can connect then.
    void remove_file() noexcept;

  private:
    friend class Destination;
    std::unique_ptr<ConnectionListener> implementation_;
};

}  // namespace multifd
