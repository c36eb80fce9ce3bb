// SessionDoor: where the connections of one session come in.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "channels/transport/connection.hpp"
#include "channels/transport/deadline.hpp"
#include "channels/transport/interrupt.hpp"
#include "channels/wire/error.hpp"

namespace multifd {

class ConnectionRouter;
struct DoorState;

/// Collects a session's channels and control connection while it is open, which is its lifetime.
/// What carries the session's id but has no place (an id out of range or seen before, a second
/// control connection) is refused at the door, also after collect().
/// Ownership: owns what came in and was not collected.
/// Threads:   collect() once, from one thread; refused() from any.
class SessionDoor {
  public:
    struct Connections {
        std::vector<Connection> channels;   ///< Position = channel id; all of them.
        std::optional<Connection> control;  ///< When it was asked for.
    };

    /// For ConnectionListener::open_door().
    SessionDoor(std::shared_ptr<ConnectionRouter> router, std::shared_ptr<DoorState> state);
    ~SessionDoor();
    SessionDoor(const SessionDoor&) = delete;
    SessionDoor& operator=(const SessionDoor&) = delete;

    /// All connections, or none: waits until the last one is there.
    /// Errors:    connect_timeout; cancelled (also when the listener ends); session_duplicate when
    ///            another door of this listener stands in the way (its settings say qemu).
    Result<Connections> collect(Deadline deadline, const Interrupt* interrupt);
    /// Connections refused at this door so far.
    [[nodiscard]] std::uint64_t refused() const;

  private:
    // Shared, so that a door which outlives its listener finds nobody there and not freed memory.
    const std::shared_ptr<ConnectionRouter> router_;
    const std::shared_ptr<DoorState> state_;
};

}  // namespace multifd
