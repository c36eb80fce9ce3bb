// ConnectionRouter: who gets a connection whose kind is known. Decides and keeps; reads nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "channels/memory/guarded.hpp"
#include "channels/transport/connection.hpp"
#include "channels/transport/deadline.hpp"
#include "channels/transport/interrupt.hpp"
#include "channels/transport/session_door.hpp"
#include "channels/wire/channel_init.hpp"
#include "channels/wire/ids.hpp"

namespace multifd {

/// What a door expects and what has come. Reachable only under the router's mutex, but for
/// `settled`.
struct DoorState {
    DoorState(const SessionId& id, std::uint32_t channels, bool control);

    /// Takes `connection` into its place, or says why it has none.
    ErrorCode admit(Connection& connection, ConnectionKind kind, const ChannelInit& init);
    /// Ends collect(): with everything, or with `error`.
    void settle(const ErrorCode& error);

    SessionId session;
    bool any_session = false;  ///< Until a channel has said which (qemu).
    const bool control_wanted;
    SessionDoor::Connections arrived;
    std::vector<bool> channel_taken;
    bool control_taken = false;
    std::size_t missing;
    std::uint64_t refused = 0;
    ErrorCode error;
    /// Raised once there is nothing more to wait for. Absent when there was no descriptor for it;
    /// `error` then says so.
    std::optional<Interrupt> settled;
};

struct RoutingRules {
    bool qemu = false;
    std::size_t parked_max = 0;
    std::chrono::milliseconds parked_timeout{};
};

/// Matches main channels with those who accept them, and channels with doors.
/// Limits:    kMainBacklogMax main channels and `parked_max` channels wait, for `parked_timeout`.
/// Ownership: owns what waits; what is delivered belongs to its waiter or door.
/// Threads:   every member from any thread.
/// Errors:    a refused connection stays with the caller of route_*(), who closes and reports it;
///            what is refused later is closed and reported to `log` from the thread that caused it.
class ConnectionRouter {
  public:
    using Log = std::function<void(const ErrorCode& error, std::string_view peer)>;

    ConnectionRouter(const RoutingRules& rules, Log log);

    // For the listener's thread.
    ErrorCode route_main(Connection& connection);
    ErrorCode route_channel(Connection& connection, ConnectionKind kind, const ChannelInit& init);
    /// Refuses what has waited too long; returns when to come again, or kNoDeadline.
    Deadline expire();
    /// Cancels all waiters and doors; nothing is accepted any more.
    void close();

    // For the sessions' threads.
    Result<Connection> accept_main(Deadline deadline, const Interrupt* interrupt);
    [[nodiscard]] bool has_mains() const;
    void open(const std::shared_ptr<DoorState>& door);
    Result<SessionDoor::Connections> collect(DoorState& door, Deadline deadline,
                                             const Interrupt* interrupt);
    void close(const DoorState& door);
    std::uint64_t refused(const DoorState& door) const;

  private:
    struct QueuedMain {
        Connection connection;
        Deadline expiry;
    };
    struct ParkedChannel {
        Connection connection;
        ChannelInit init;
        Deadline expiry;
    };
    struct Refusal {
        ErrorCode error;
        Connection connection;
    };
    using Refusals = std::vector<Refusal>;
    struct MainWaiter {
        Interrupt served;
        std::optional<QueuedMain> main;
    };
    struct State {
        std::deque<MainWaiter*> waiters;  ///< Those not served yet; the oldest first.
        std::deque<QueuedMain> mains;
        std::deque<ParkedChannel> parked;
        std::map<SessionId, std::shared_ptr<DoorState>> doors;
        bool closed = false;
    };

    void serve_waiters(State& state, Refusals& refusals) const;
    void drop_abandoned_mains(State& state, Refusals& refusals) const;
    ErrorCode park(State& state, Connection& connection, const ChannelInit& init) const;
    static void claim_parked(State& state, DoorState& door, Refusals& refusals);
    void report(Refusals& refusals) const;

    const RoutingRules rules_;
    const Log log_;
    Guarded<State> state_;
};

}  // namespace multifd
