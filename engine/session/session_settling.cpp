// After the end of a migration: devices and host are brought to rest, each step with a deadline of
// its own. Problems are collected for the report, not raised: there is nothing left to fail.
#include "engine/session/migration_session.hpp"

namespace multifd {
namespace {

// A call that was interrupted gets this long to return before it counts as stuck. Well below the
// second within which a cancel reports.
constexpr auto kInterruptGrace = std::chrono::milliseconds(400);

}  // namespace

bool MigrationSession::await_quiet() {
    if (!quiet_deadline_) quiet_deadline_ = Clock::now() + kInterruptGrace;
    {
        std::unique_lock lock(stop_mutex_);
        stop_done_.wait_until(lock, *quiet_deadline_,
                              [this] { return !plane_stopped_ || interrupts_sent_; });
    }
    bool quiet = host_worker_->wait(*quiet_deadline_);
    for (auto& slot : devices_) quiet = slot->worker.wait(*quiet_deadline_) && quiet;
    return quiet;
}

void MigrationSession::leave_stuck_devices() {
    (void)await_quiet();
    for (auto& slot : devices_) {
        if (slot->worker.idle()) continue;
        slot->stuck = true;
        const auto call = slot->worker.running_call();
        add_problem(*slot, std::string(" is stuck in ") + (call ? call->name : "a call") +
                               " since state " + std::string(to_string(slot->seen_state.load())));
    }
}

void MigrationSession::add_problem(const DeviceSlot& slot, const std::string& problem) {
    if (!device_problem_.empty()) device_problem_ += "; ";
    device_problem_ += to_string(slot.identity) + problem;
}

bool MigrationSession::settle_devices(const char* call, const DevicePredicate& which,
                                      const std::function<CallResult(Device&)>& step,
                                      std::optional<DeviceState> reached) {
    struct Pending {
        DeviceSlot* slot;
        std::shared_ptr<CallOutcome> outcome;  // Shared with a job that may be left behind.
    };
    std::vector<Pending> pending;
    for (auto& slot : devices_) {
        if (slot->stuck || !which(*slot)) continue;
        auto outcome = std::make_shared<CallOutcome>();
        outcome->error = Errc::internal_error;  // Until the call has been made.
        slot->worker.start([self = shared_from_this(), slot = slot.get(), outcome, call, step] {
            *outcome = slot->worker.call(call, [&] { return step(*slot->entry.device); });
        });
        pending.push_back({slot.get(), std::move(outcome)});
    }
    const auto deadline = Clock::now() + common_.stall_timeout;
    bool all_done = true;
    for (auto& [slot, outcome] : pending) {
        if (!slot->worker.wait(deadline)) {
            slot->stuck = true;
            add_problem(*slot, " is stuck in " + std::string(call));
            all_done = false;
        } else if (!outcome->ok()) {
            add_problem(*slot, ": " + std::string(call) + " failed: " + outcome->reason());
            all_done = false;
        } else if (reached) {
            slot->seen_state = *reached;
        }
    }
    return all_done;
}

bool MigrationSession::settle_states(DeviceState target, const DevicePredicate& which) {
    const std::string call = "going to " + std::string(to_string(target));
    return settle_devices(
        call.c_str(), which, [target](Device& device) { return device.set_state(target); }, target);
}

void MigrationSession::refresh_states() {
    for (auto& slot : devices_) slot->answered = false;
    for (auto& slot : devices_) {
        if (slot->stuck) continue;
        slot->worker.start([self = shared_from_this(), slot = slot.get()] {
            (void)slot->worker.call("state", [&] {
                slot->seen_state = slot->entry.device->state();
                slot->answered = true;
                return CallResult::success();
            });
        });
    }
    const auto deadline = Clock::now() + common_.stall_timeout;
    for (auto& slot : devices_) {
        if (slot->stuck) continue;
        if (!slot->worker.wait(deadline)) {
            slot->stuck = true;
            add_problem(*slot, " is stuck in state");
        } else if (!slot->answered) {
            add_problem(*slot, " does not say in which state it is");
        }
    }
}

std::string MigrationSession::settle_host(
    const char* name, const std::function<CallResult(Host&, std::stop_token)>& step) {
    const std::string who = std::string("the host's ") + name;
    if (!host_worker_->wait(Clock::now() + kInterruptGrace)) {
        return who + " cannot be asked: an earlier call has not returned";
    }
    auto outcome = std::make_shared<CallOutcome>();
    outcome->error = Errc::internal_error;
    host_worker_->start([self = shared_from_this(), name, step, outcome] {
        *outcome = self->host_worker_->call(name, [&] { return step(*self->host_, {}); });
    });
    if (!host_worker_->wait(Clock::now() + common_.stall_timeout)) return who + " did not return";
    return outcome->ok() ? std::string() : who + " failed: " + outcome->reason();
}

}  // namespace multifd
