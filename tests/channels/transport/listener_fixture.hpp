// A listener, clients of it, and what it refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "channels/memory/guarded.hpp"
#include "channels/transport/connection_listener.hpp"
#include "channels/wire/channel_init.hpp"
#include "tests/channels/transport/sockets.hpp"

namespace multifd {

/// What a main channel begins with.
Bytes main_bytes();
Bytes channel_bytes(const SessionId& session, std::uint8_t id);
Bytes control_bytes(const SessionId& session);
Bytes beginning_of(Bytes bytes, std::size_t count);
SessionId session_id(std::uint8_t number);

/// Collects what a listener tells.
class RefusalLog {
  public:
    struct Entry {
        ErrorCode error;
        std::string peer;
        std::uint64_t count = 1;
    };

    [[nodiscard]] ListenerLog sink();
    [[nodiscard]] std::vector<Entry> entries() const;
    [[nodiscard]] std::size_t count(const ErrorCode& error) const;
    /// Waits until there are `size` entries, and gives how often each error is among them.
    [[nodiscard]] std::map<std::string, std::size_t> await(std::size_t size) const;

  private:
    Guarded<std::vector<Entry>> entries_;
};

/// On tcp:127.0.0.1:0 unless `settings` say otherwise.
class ListenerFixture {
  public:
    explicit ListenerFixture(ConnectionListenerSettings settings = {});

    /// A client that has sent `bytes`.
    [[nodiscard]] Connection client(std::span<const std::byte> bytes = {}) const;

    RefusalLog log;
    ConnectionListener listener;
};

/// Whether the listener closes (or resets) it soon, having sent nothing.
bool is_refused(Connection& client);
/// Whether what one end sends comes out at the other.
bool are_connected(Connection& client, Connection& accepted);

}  // namespace multifd
