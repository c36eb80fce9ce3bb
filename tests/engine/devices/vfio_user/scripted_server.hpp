// A vfio-user server that a test plays: what it answers is the test's to say.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "channels/transport/connection.hpp"
#include "channels/transport/interrupt.hpp"
#include "channels/transport/listening_socket.hpp"
#include "engine/devices/vfio_user/message.hpp"

namespace multifd::vfio_user::test {

/// Answers VERSION by itself and everything else as `answer` says: bytes to send, as they are.
/// Ownership: owns socket and thread; the destructor ends both.
class ScriptedServer {
  public:
    using Answer = std::function<Bytes(const Header&, const Bytes& payload)>;

    ScriptedServer(const std::string& path, Answer answer);
    ~ScriptedServer();
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;

    /// The commands that have come, VERSION included.
    [[nodiscard]] std::vector<Command> commands() const;
    [[nodiscard]] std::size_t connections() const;

  private:
    void run();
    bool serve_message(Connection& connection);
    bool receive(Connection& connection, std::span<std::byte> target);

    Answer answer_;
    Interrupt stop_;
    ListeningSocket socket_;
    mutable std::mutex mutex_;  ///< Guards what follows.
    std::vector<Command> commands_;
    std::size_t connections_ = 0;
    std::thread thread_;
};

// By hand, for what ScriptedServer does not do. Waits are bounded; nothing comes when time is up.

Address path_address(const std::string& path);
/// The next client.
Connection accept_client(const ListeningSocket& socket);
struct Received {
    Header header;
    Bytes payload;
};
std::optional<Received> receive_message(Connection& connection);

/// The reply to a feature's get: `data` in it.
Bytes feature_reply(const Header& header, const Bytes& request, ConstBytes data);

}  // namespace multifd::vfio_user::test
