#include "channels/transport/connection_router.hpp"

#include <poll.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "channels/transport/connection_listener.hpp"
#include "channels/transport/readiness.hpp"
#include "channels/transport/system_error.hpp"
#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

bool closed_by_peer(const Connection& connection) {
    pollfd watched{connection.fd(), POLLRDHUP, 0};
    return ::poll(&watched, 1, 0) == 1;
}

}  // namespace

DoorState::DoorState(const SessionId& id, std::uint32_t channels, bool control)
    : session(id),
      control_wanted(control),
      channel_taken(channels, false),
      missing(channels + (control ? 1U : 0U)) {
    arrived.channels.resize(channels);
    try {
        settled.emplace();
    } catch (const std::system_error& no_descriptor) {
        error = system_error(no_descriptor.code().value());
    }
}

ErrorCode DoorState::admit(Connection& connection, ConnectionKind kind, const ChannelInit& init) {
    if (!any_session && init.session != session) return Errc::session_unknown;
    if (kind == ConnectionKind::control) {
        if (!control_wanted) return Errc::connection_kind_unknown;
        if (control_taken) return Errc::channel_duplicate;
        control_taken = true;
        arrived.control = std::move(connection);
    } else {
        if (init.id >= channel_taken.size()) return Errc::channel_id_invalid;
        if (channel_taken[init.id]) return Errc::channel_duplicate;
        channel_taken[init.id] = true;
        arrived.channels[init.id] = std::move(connection);
    }
    any_session = false;
    session = init.session;
    if (--missing == 0) settle({});
    return {};
}

void DoorState::settle(const ErrorCode& why) {
    error = why;
    if (settled) settled->raise();
}

ConnectionRouter::ConnectionRouter(const RoutingRules& rules, Log log)
    : rules_(rules), log_(std::move(log)) {}

ErrorCode ConnectionRouter::route_main(Connection& connection) {
    Refusals refusals;
    const auto error = state_.with([&](State& state) -> ErrorCode {
        if (rules_.qemu && !state.doors.empty()) return Errc::session_duplicate;
        if (state.mains.size() >= kMainBacklogMax) drop_abandoned_mains(state, refusals);
        if (state.mains.size() >= kMainBacklogMax) return Errc::connection_limit;
        state.mains.push_back({std::move(connection), Clock::now() + rules_.parked_timeout});
        serve_waiters(state, refusals);
        return {};
    });
    report(refusals);
    return error;
}

ErrorCode ConnectionRouter::route_channel(Connection& connection, ConnectionKind kind,
                                          const ChannelInit& init) {
    return state_.with([&](State& state) -> ErrorCode {
        const auto found = rules_.qemu ? state.doors.begin() : state.doors.find(init.session);
        if (found != state.doors.end()) {
            const ErrorCode error = found->second->admit(connection, kind, init);
            if (error) ++found->second->refused;
            return error;
        }
        if (!rules_.qemu) return Errc::session_unknown;
        // QEMU has no control connection.
        if (kind == ConnectionKind::control) return Errc::connection_kind_unknown;
        return park(state, connection, init);
    });
}

ErrorCode ConnectionRouter::park(State& state, Connection& connection,
                                 const ChannelInit& init) const {
    if (state.parked.size() >= rules_.parked_max) return Errc::connection_limit;
    state.parked.push_back({std::move(connection), init, Clock::now() + rules_.parked_timeout});
    return {};
}

Deadline ConnectionRouter::expire() {
    Refusals refusals;
    const auto next = state_.with([&](State& state) {
        const auto now = Clock::now();
        Deadline earliest = kNoDeadline;
        // All wait equally long, so the oldest stand in front.
        const auto drop_late = [&](auto& queue) {
            while (!queue.empty() && queue.front().expiry <= now) {
                refusals.push_back({Errc::session_unknown, std::move(queue.front().connection)});
                queue.pop_front();
            }
            if (!queue.empty()) earliest = std::min(earliest, queue.front().expiry);
        };
        drop_late(state.mains);
        drop_late(state.parked);
        return earliest;
    });
    report(refusals);
    return next;
}

void ConnectionRouter::close() {
    state_.with([](State& state) {
        state.closed = true;
        for (auto* waiter : state.waiters) waiter->served.raise();
        state.waiters.clear();
        for (const auto& [session, door] : state.doors) {
            if (door->missing > 0) door->settle(Errc::cancelled);
        }
        state.mains.clear();
        state.parked.clear();
    });
}

Result<Connection> ConnectionRouter::accept_main(Deadline deadline, const Interrupt* interrupt) {
    std::optional<MainWaiter> waiter;
    try {
        waiter.emplace();
    } catch (const std::system_error& no_descriptor) {
        return system_error(no_descriptor.code().value());
    }
    Refusals refusals;
    state_.with([&](State& state) {
        if (state.closed) return waiter->served.raise();
        state.waiters.push_back(&*waiter);
        serve_waiters(state, refusals);
    });
    const auto error = wait_until_ready(waiter->served.fd(), POLLIN, deadline, interrupt);
    state_.with([&](State& state) {
        std::erase(state.waiters, &*waiter);
        if (!error || !waiter->main || state.closed) return;
        // It came in the moment in which this wait ended: the next one gets it.
        state.mains.push_front(std::move(*waiter->main));
        serve_waiters(state, refusals);
    });
    report(refusals);
    if (error) return as_connect_timeout(error);
    if (!waiter->main) return ErrorCode(Errc::cancelled);
    return std::move(waiter->main->connection);
}

bool ConnectionRouter::has_mains() const {
    return state_.look([](const State& state) { return !state.mains.empty(); });
}

void ConnectionRouter::serve_waiters(State& state, Refusals& refusals) const {
    if (!state.waiters.empty()) drop_abandoned_mains(state, refusals);
    while (!state.waiters.empty() && !state.mains.empty()) {
        MainWaiter& waiter = *state.waiters.front();
        waiter.main = std::move(state.mains.front());
        state.mains.pop_front();
        state.waiters.pop_front();
        // Under the mutex: once it is released the waiter may be gone.
        waiter.served.raise();
    }
}

void ConnectionRouter::drop_abandoned_mains(State& state, Refusals& refusals) const {
    // A QEMU stream may be complete, and its sender gone, before anybody has asked for it.
    if (rules_.qemu) return;
    for (auto& main : state.mains) {
        if (!closed_by_peer(main.connection)) continue;
        refusals.push_back({Errc::peer_closed, std::move(main.connection)});
    }
    std::erase_if(state.mains, [](const auto& main) { return !main.connection.is_open(); });
}

void ConnectionRouter::open(const std::shared_ptr<DoorState>& door) {
    Refusals refusals;
    state_.with([&](State& state) {
        if (state.closed) return door->settle(Errc::cancelled);
        if (rules_.qemu && !state.doors.empty()) return door->settle(Errc::session_duplicate);
        MULTIFD_ASSERT(!state.doors.contains(door->session));
        state.doors.emplace(door->session, door);
        if (door->missing == 0) door->settle({});
        if (!rules_.qemu) return;
        door->any_session = true;
        claim_parked(state, *door, refusals);
        for (auto& main : state.mains) {
            refusals.push_back({Errc::session_duplicate, std::move(main.connection)});
        }
        state.mains.clear();
    });
    report(refusals);
}

void ConnectionRouter::claim_parked(State& state, DoorState& door, Refusals& refusals) {
    for (auto& parked : state.parked) {
        const auto error = door.admit(parked.connection, ConnectionKind::channel, parked.init);
        if (!error) continue;
        ++door.refused;
        refusals.push_back({error, std::move(parked.connection)});
    }
    state.parked.clear();
}

Result<SessionDoor::Connections> ConnectionRouter::collect(DoorState& door, Deadline deadline,
                                                           const Interrupt* interrupt) {
    if (!door.settled) return door.error;
    const auto error = wait_until_ready(door.settled->fd(), POLLIN, deadline, interrupt);
    if (error) return as_connect_timeout(error);
    return state_.with([&](State&) -> Result<SessionDoor::Connections> {
        if (door.error) return door.error;
        return std::exchange(door.arrived, {});
    });
}

void ConnectionRouter::close(const DoorState& door) {
    state_.with([&](State& state) {
        std::erase_if(state.doors, [&](const auto& entry) { return entry.second.get() == &door; });
    });
}

std::uint64_t ConnectionRouter::refused(const DoorState& door) const {
    return state_.look([&](const State&) { return door.refused; });
}

void ConnectionRouter::report(Refusals& refusals) const {
    for (auto& refusal : refusals) {
        if (log_) log_(refusal.error, refusal.connection.peer());
    }
    refusals.clear();
}

}  // namespace multifd
