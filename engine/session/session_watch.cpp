// The watchdog of a session and its dealings with the control connection: promise 1, never hangs.
#include <algorithm>

#include "channels/wire/assert.hpp"
#include "engine/session/migration_session.hpp"

namespace multifd {
namespace {

// A tick this late means that this process itself was stopped.
constexpr auto kSuspendedFor = std::chrono::seconds(2);

std::string seconds_text(Clock::duration time) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100) + " s";
}

}  // namespace

void MigrationSession::on_tick(Clock::time_point now) {
    const bool suspended = now - last_tick_ > kSuspendedFor;
    last_tick_ = now;
    if (suspended) {
        stall_watch_.restart(now);
        resumed_at_ = now;
    }
    if (suspended || failed() || !watching_.load(std::memory_order_relaxed)) return;
    watch_calls(now);
    watch_peer(now);
    watch_progress(now);
}

void MigrationSession::watch_calls(Clock::time_point now) {
    for (const auto& slot : devices_) {
        const auto call = slot->worker.running_call();
        if (!call || now - std::max(call->since, resumed_at_) < common_.stall_timeout) continue;
        fail({.code = Errc::device_stuck,
              .detail = std::string(call->name) + " has not returned for " +
                        seconds_text(now - call->since) + " (--stall-timeout)",
              .device = slot->identity,
              .idx = slot->idx.load(std::memory_order_relaxed)});
        return;
    }
    const auto call = host_worker_->running_call();
    if (!call || host_may_wait_.load(std::memory_order_relaxed)) return;
    if (now - std::max(call->since, resumed_at_) < common_.stall_timeout) return;
    fail({.code = Errc::host_failed,
          .detail = "the host's " + std::string(call->name) + " has not returned for " +
                    seconds_text(now - call->since) + " (--stall-timeout)"});
}

void MigrationSession::watch_peer(Clock::time_point now) {
    const auto heard = control_.last_heard();
    if (!heard || !needs_connection() || now - *heard < common_.stall_timeout) return;
    fail({.code = Errc::peer_silent,
          .detail = "nothing was heard from " + peer_ + " for " + seconds_text(now - *heard) +
                    " (--stall-timeout); look at the network and the other host"});
}

void MigrationSession::watch_progress(Clock::time_point now) {
    const auto progress =
        progress_.load(std::memory_order_relaxed) + peer_progress_.load(std::memory_order_relaxed);
    if (stall_watch_.stalled(now, progress, must_move())) {
        auto failure = standstill();
        add_evidence(failure);
        fail(std::move(failure));
        return;
    }
    const auto began =
        std::max(Clock::time_point(Clock::duration(phase_began_.load(std::memory_order_relaxed))),
                 resumed_at_);
    if (host_may_wait_.load(std::memory_order_relaxed)) return;
    if (now - began < common_.phase_timeout) return;
    auto failure = standstill();
    failure.code = Errc::phase_timeout;
    failure.detail = "this phase has taken " + seconds_text(now - began) + " (--phase-timeout); " +
                     failure.detail;
    fail(std::move(failure));
}

Heartbeat MigrationSession::heartbeat() {
    return {.progress = progress_.load(std::memory_order_relaxed),
            .status = static_cast<std::uint8_t>(status())};
}

void MigrationSession::on_heartbeat(const Heartbeat& peer) {
    peer_progress_.store(peer.progress, std::memory_order_relaxed);
    // The source's host may wait before the switchover as long as it likes.
    if (peer.status == static_cast<std::uint8_t>(Status::pre_switchover)) begin_phase();
}

void MigrationSession::on_peer_error(const PeerError& error) {
    // After a failure it may explain what was only a symptom. In doubt only the main channel
    // counts.
    if (failed()) {
        note(failure_of(error));
    } else if (needs_connection()) {
        auto failure = failure_of(error);
        if (error.code == error_name(Errc::stall_timeout)) add_evidence(failure);
        fail(std::move(failure));
    }
}

void MigrationSession::on_control_ended(ErrorCode error) {
    if (!failed() && !needs_connection()) return;
    // Bytes that make no sense are a fault of their own; anything else is only an end.
    const bool damaged =
        error.category() == multifd_category() && error && error != Errc::stream_truncated;
    Failure failure{
        .code = damaged ? error : ErrorCode(Errc::peer_closed),
        .detail = "the control connection to " + peer_ + " ended" +
                  (error ? ": " + error.message() : std::string()) +
                  (damaged ? "" : "; the process at the other end has died or given up")};
    // After a failure it may explain what a channel's end only showed.
    if (failed()) {
        note(std::move(failure));
    } else {
        fail(std::move(failure));
    }
}

void MigrationSession::on_control_fault(std::exception_ptr fault) {
    fail(failure_of(fault));
}

}  // namespace multifd
