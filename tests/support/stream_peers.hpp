// Peers that tests play themselves: a QEMU that sends a recording, and servers that are no multifd.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/loopback.hpp"

namespace multifd {

/// What came back on the return path, as MessageTracker names it, with its data in hexadecimal:
/// "pong 00000001", "switchover-ack", "shut 00000000".
using ReturnPath = std::vector<std::string>;

/// Sends a main channel and channels as QEMU does, each on its own connection, and keeps them all
/// open until SHUT has come or the peer has closed.
ReturnPath send_as_qemu(const std::string& address, const std::vector<std::byte>& main,
                        const std::vector<std::vector<std::byte>>& channels);

/// A server that accepts whatever comes and records it.
/// Ownership: owns its sockets and threads.
/// Threads:   all members from the test's thread.
class RecordingServer {
  public:
    enum class Manner {
        silent,     ///< Never says a word.
        pong_only,  ///< Echoes PING.
        qemu,       ///< Echoes PING, and says SHUT 0 after the end of the stream.
        garbage,    ///< Answers with bytes that mean nothing.
    };

    explicit RecordingServer(Manner manner);
    ~RecordingServer();
    RecordingServer(const RecordingServer&) = delete;
    RecordingServer& operator=(const RecordingServer&) = delete;

    [[nodiscard]] std::string address() const { return address_of(listener_); }
    /// Writes conn-K-src2dst.bin for connection K, in the order of arrival. To be called when the
    /// sender has ended: waits for the last bytes of every connection.
    void write_recording(const std::string& folder);

  private:
    struct Guest {
        Socket socket;
        std::vector<std::byte> bytes;
        std::thread thread;
    };

    void accept_guests();
    void serve(Guest& guest);

    const Manner manner_;
    Socket listener_;
    std::mutex mutex_;
    std::list<Guest> guests_;
    std::thread acceptor_;
};

}  // namespace multifd
