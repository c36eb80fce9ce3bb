// ConnectionListener: accepts connections, learns what each one is, and routes it to its session.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "channels/transport/address.hpp"
#include "channels/transport/connection.hpp"
#include "channels/transport/deadline.hpp"
#include "channels/transport/interrupt.hpp"
#include "channels/transport/session_door.hpp"
#include "channels/wire/ids.hpp"

namespace multifd {

/// Main channels that may wait for somebody to accept them.
inline constexpr std::size_t kMainBacklogMax = 16;

struct ConnectionListenerSettings {
    Address address;
    std::vector<Address> also{};  ///< Further addresses of the same listener.
    /// A plain QEMU stream: its channels may come before their session is known, they carry an id
    /// that we did not choose, and there is one session at a time.
    bool qemu = false;
    std::chrono::milliseconds classify_timeout{10'000};  ///< For a connection to say what it is.
    /// Connections that may be in that state at once; one more, and the oldest has to go.
    std::uint32_t unclassified_max = 512;
    std::uint32_t parked_max = 255;  ///< qemu: channels kept before their session's door.
    std::chrono::milliseconds parked_timeout{10'000};  ///< Also of a main channel not accepted.
    /// How often refusals for one reason are told, when there are many: the first at once, the
    /// others counted. Zero tells each of them.
    std::chrono::milliseconds log_interval{0};
    std::string congestion_control{};  ///< Of the accepted TCP sockets; empty: the system's.
};

/// Told of refused connections: why, the peer (of several the last one), and how many. With one
/// of the listener's own addresses: why it cannot accept there at the moment (once until it can
/// again). Called from the listener's thread, from open_door() and from the destructor; must not
/// block, throw or call the listener.
using ListenerLog =
    std::function<void(const ErrorCode& error, std::string_view peer, std::uint64_t count)>;

/// Listens on one address or several, all or none, and tells connections apart by their first
/// bytes:
///
///     QEVM            main channel   accept_main(), oldest waiter first; else a backlog of 16
///     multifd magic   channel        the door with its session id; qemu: the one door, else parked
///     control magic   control        the door with its session id
///
/// A refused connection is closed and reported and disturbs nobody:
///
///     connection_kind_unknown                   first bytes that are none of these
///     channel_closed_early                      closed before it had said what it is
///     channel_version_wrong                     an init of another version
///     classification_timeout                    silent, or slower than classify_timeout
///     connection_limit                          parked_max or the backlog is full; or it was the
///                                               oldest of unclassified_max silent ones, or of
///                                               those that kept descriptors from a new one
///     session_unknown                           no such session, or nobody came for it in time
///     session_duplicate                         qemu: a main channel while a door is open
///     channel_id_invalid, channel_duplicate     no such place in its session, or taken
///
/// A crowd that stays silent so never keeps out a connection that speaks at once.
///
/// Ownership: owns the listening sockets, its thread and every connection not handed out. Outlives
///            its doors and waiters; those that are left when it ends get cancelled.
/// Threads:   every member from any thread. One thread of its own, which never waits for one
///            connection while others come.
/// Errors:    the constructor throws std::system_error.
class ConnectionListener {
  public:
    explicit ConnectionListener(const ConnectionListenerSettings& settings, ListenerLog log = {});
    ~ConnectionListener();
    ConnectionListener(const ConnectionListener&) = delete;
    ConnectionListener& operator=(const ConnectionListener&) = delete;

    /// In the order of the settings, each with the port that was picked.
    [[nodiscard]] std::vector<Address> local_addresses() const;
    /// The first of them.
    [[nodiscard]] Address local_address() const;

    /// Removes the files of its UNIX sockets before the destructor would.
    void remove_file() noexcept;

    /// The next main channel; none of its bytes has been consumed. Waiters are served in the order
    /// in which they came.
    /// Errors:    connect_timeout, cancelled, or EMFILE.
    Result<Connection> accept_main(Deadline deadline, const Interrupt* interrupt);

    /// Whether somebody has connected who may yet turn out to be, or is, a main channel that nobody
    /// has accepted.
    [[nodiscard]] bool has_newcomers() const;

    /// Lets the connections of session `id` in: `channels` (at most 255) of them, and one control
    /// connection if `control`. No other open door has this id. With qemu the id is not compared:
    /// the first channel's counts, and parked channels are taken in.
    std::unique_ptr<SessionDoor> open_door(const SessionId& id, std::uint32_t channels,
                                           bool control);

  private:
    class Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace multifd
