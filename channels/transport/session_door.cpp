#include "channels/transport/session_door.hpp"

#include <utility>

#include "channels/transport/connection_router.hpp"

namespace multifd {

SessionDoor::SessionDoor(std::shared_ptr<ConnectionRouter> router, std::shared_ptr<DoorState> state)
    : router_(std::move(router)), state_(std::move(state)) {}

SessionDoor::~SessionDoor() {
    router_->close(*state_);
}

Result<SessionDoor::Connections> SessionDoor::collect(Deadline deadline,
                                                      const Interrupt* interrupt) {
    return router_->collect(*state_, deadline, interrupt);
}

std::uint64_t SessionDoor::refused() const {
    return router_->refused(*state_);
}

}  // namespace multifd
