#include "engine/migration_session.hpp"

#include <algorithm>
#include <thread>

#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

// A device call that was interrupted gets this long to return before it counts as stuck.
constexpr auto kInterruptGrace = std::chrono::milliseconds(500);
// How long a broken connection waits for the peer's own explanation on the control connection.
constexpr auto kLastWordWait = std::chrono::milliseconds(300);
constexpr auto kTickMax = std::chrono::milliseconds(100);

Clock::duration tick_of(const CommonSettings& settings) {
    return std::min<Clock::duration>(kTickMax, settings.stall_timeout / 10);
}

// Local culprits are judged at the stall timeout, a bare standstill a little later, so that the end
// that knows the culprit speaks first.
Clock::duration bare_stall_limit(const CommonSettings& settings) {
    return settings.stall_timeout + settings.stall_timeout / 4 + 4 * tick_of(settings);
}

}  // namespace

MigrationSession::MigrationSession(Role role, const CommonSettings& settings,
                                   std::vector<DeviceEntry> devices, Host* host, LogSink log)
    : role_(role),
      common_(settings),
      log_sink_(std::move(log)),
      host_(host),
      control_(*this, tick_of(settings)),
      records_(settings.state_dir),
      began_(Clock::now()),
      host_worker_(std::make_shared<CallWorker>()),
      status_(role),
      phase_began_(began_.time_since_epoch().count()),
      stall_watch_(bare_stall_limit(settings), began_),
      last_tick_(began_) {
    devices_.reserve(devices.size());
    for (auto& entry : devices) {
        const DeviceId id{static_cast<std::uint32_t>(devices_.size())};
        devices_.push_back(std::make_unique<DeviceSlot>(std::move(entry), id));
    }
}

void MigrationSession::fail(Failure failure) noexcept {
    try {
        if (failure.phase.empty()) failure.phase = to_string(status());
        const auto word = failure.told_by_peer || is_symptom(failure.code)
                              ? std::vector<std::byte>{}
                              : encode(to_peer_error(failure));
        if (!first_failure_.set(std::move(failure))) return;
        // Before the connections end, which at the other end must not look like the cause.
        if (!word.empty()) control_.send(ControlType::error, word);
        if (plane_stopped_.exchange(true)) return;
        interrupt_.raise();
        host_stop_.request_stop();
        stop_data_plane();
        for (auto& slot : devices_) {
            if (!slot->worker.idle()) slot->entry.device->interrupt();
            slot->worker.wake();
        }
        host_worker_->wake();
    } catch (...) {
        // Nothing above allocates but the failure's own text; what could be stopped has been.
        interrupt_.raise();
        stop_data_plane();
    }
}

void MigrationSession::fail_call(const DeviceSlot& slot, const char* call,
                                 const CallOutcome& outcome) {
    if (failed() && outcome.error == Errc::cancelled) return;
    const bool interrupted = outcome.error == Errc::cancelled;
    fail({.code = interrupted ? ErrorCode(Errc::device_failed) : outcome.error,
          .detail = std::string(call) + " failed: " + outcome.result.detail,
          .device = slot.identity});
}

void MigrationSession::log(LogLevel level, const std::string& message) const {
    if (!log_sink_) return;
    std::string session;
    {
        const std::scoped_lock lock(names_mutex_);
        session = session_text_;
    }
    log_sink_({level, session, to_string(role_), to_string(status()), message});
}

Status MigrationSession::status() const {
    const std::scoped_lock lock(status_mutex_);
    return status_.status();
}

void MigrationSession::set_status(Status next) {
    {
        const std::scoped_lock lock(status_mutex_);
        if (status_.status() == next) return;
        // A cancel may have moved on to cancelling meanwhile; then the step's status is past.
        if (!status_.try_set(next)) return;
    }
    begin_phase();
    log(LogLevel::debug, "status is now " + std::string(to_string(next)));
}

void MigrationSession::begin_phase() noexcept {
    phase_began_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
}

bool MigrationSession::check_peer_dma() {
    const auto does_peer_dma = [](const auto& slot) { return slot->traits.peer_dma; };
    if (std::ranges::count_if(devices_, does_peer_dma) < 2) return true;
    const auto lacks = [](const auto& slot) { return slot->traits.peer_dma && !slot->traits.p2p; };
    const auto found = std::ranges::find_if(devices_, lacks);
    if (found == devices_.end()) return true;
    fail({.code = Errc::device_lacks_p2p,
          .detail = "two or more devices do peer DMA, and this one has no P2P state",
          .device = (*found)->identity});
    return false;
}

bool MigrationSession::run_job(DeviceSlot& slot, std::function<void()> job) {
    if (failed()) return false;
    slot.worker.start([self = shared_from_this(), &slot, job = std::move(job)] {
        try {
            job();
        } catch (...) {
            auto failure = failure_of(std::current_exception());
            failure.device = slot.identity;
            self->fail(std::move(failure));
        }
    });
    return await_job(slot);
}

bool MigrationSession::await_job(DeviceSlot& slot) {
    return slot.worker.wait(kNoDeadline, [this] { return failed(); }) && !failed();
}

bool MigrationSession::run_jobs(const DevicePredicate& which,
                                const std::function<void(DeviceSlot&)>& job) {
    if (failed()) return false;
    for (auto& slot : devices_) {
        if (!which(*slot)) continue;
        slot->worker.start([self = shared_from_this(), &slot = *slot, job] {
            try {
                job(slot);
            } catch (...) {
                auto failure = failure_of(std::current_exception());
                failure.device = slot.identity;
                self->fail(std::move(failure));
            }
        });
    }
    for (auto& slot : devices_) {
        if (which(*slot) && !await_job(*slot)) return false;
    }
    return !failed();
}

bool MigrationSession::set_state(DeviceSlot& slot, DeviceState target) {
    auto& device = *slot.entry.device;
    const auto outcome = slot.worker.call("set_state", [&] { return device.set_state(target); });
    if (outcome.ok()) {
        slot.seen_state = target;
        progress_.fetch_add(1, std::memory_order_relaxed);
        return true;
    }
    const std::string call = "going to " + std::string(to_string(target));
    fail_call(slot, call.c_str(), outcome);
    return false;
}

bool MigrationSession::ask_host(const char* name,
                                const std::function<CallResult(Host&, std::stop_token)>& step) {
    if (host_ == nullptr) return !failed();
    if (failed()) return false;
    const bool may_wait = status() == Status::pre_switchover;
    host_may_wait_.store(may_wait, std::memory_order_relaxed);
    host_worker_->start([self = shared_from_this(), name, step] {
        const auto outcome = self->host_worker_->call(
            name, [&] { return step(*self->host_, self->host_stop_.get_token()); });
        if (outcome.ok()) {
            self->progress_.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        if (self->failed() && outcome.error == Errc::cancelled) return;
        self->fail(
            {.code = Errc::host_failed,
             .detail = "the host's " + std::string(name) + " failed: " + outcome.result.detail});
    });
    const bool done = host_worker_->wait(kNoDeadline, [this] { return failed(); });
    host_may_wait_.store(false, std::memory_order_relaxed);
    return done && !failed();
}

void MigrationSession::start_control() {
    last_tick_ = Clock::now();
    stall_watch_.restart(last_tick_);
    control_.start();
}

MigrationSession::RecordOutcome MigrationSession::write_record(Decision decision) {
    SessionRecord record;
    record.session = session_text_;
    record.role = role_;
    record.peer = peer_;
    record.decision = decision;
    for (const auto& slot : devices_) record.devices.push_back(slot->identity);
    if (!record_worker_.idle()) return RecordOutcome::late;
    const auto error = std::make_shared<ErrorCode>();
    record_worker_.start([self = shared_from_this(), this, error, record = std::move(record)] {
        *error = records_.write(record);
    });
    if (!record_worker_.wait(Clock::now() + common_.stall_timeout)) {
        log(LogLevel::error,
            "the record in " + common_.state_dir + " could not be written in time");
        return RecordOutcome::late;
    }
    if (!*error) return RecordOutcome::written;
    log(LogLevel::error, records_.problem());
    return RecordOutcome::failed;
}

bool MigrationSession::begin_record() {
    const auto outcome = write_record(Decision::started);
    if (outcome == RecordOutcome::written) return true;
    fail({.code = Errc::record_failed,
          .detail = outcome == RecordOutcome::failed ? records_.problem()
                                                     : "the disk of --state-dir does not answer"});
    return false;
}

void MigrationSession::settle_cause() {
    // A cancel is accepted an instant before its cause is on record.
    const auto deadline = Clock::now() + kLastWordWait;
    while (!failed() && Clock::now() < deadline) std::this_thread::yield();
    const auto failure = first_failure_.get();
    if (failure && is_symptom(failure->code)) {
        control_.await_last_word(Clock::now() + kLastWordWait);
    }
    first_failure_.settle();
}

void MigrationSession::tell_peer() {
    // fail() has told what it knew to be a cause; a symptom became one only by settling.
    const auto failure = first_failure_.get();
    if (failure && !failure->told_by_peer && is_symptom(failure->code)) {
        control_.send(ControlType::error, encode(to_peer_error(*failure)));
    }
    control_.flush(Clock::now() + kLastWordWait);
}

void MigrationSession::end_control() noexcept {
    watching_.store(false, std::memory_order_relaxed);
    control_.stop();
}

void MigrationSession::leave_stuck_devices() {
    const auto deadline = Clock::now() + kInterruptGrace;
    for (auto& slot : devices_) {
        if (slot->worker.wait(deadline)) continue;
        slot->stuck = true;
        const auto call = slot->worker.running_call();
        device_problem_ += (device_problem_.empty() ? "" : "; ") + to_string(slot->identity) +
                           " is stuck in " + (call ? call->name : "a call") + " since state " +
                           std::string(to_string(slot->seen_state.load()));
    }
}

void MigrationSession::settle_devices(const char* call, const DevicePredicate& which,
                                      const std::function<CallResult(Device&)>& step) {
    struct Pending {
        DeviceSlot* slot;
        std::shared_ptr<CallOutcome> outcome;  // Shared with a job that may be left behind.
    };
    std::vector<Pending> pending;
    for (auto& slot : devices_) {
        if (slot->stuck || !which(*slot)) continue;
        auto outcome = std::make_shared<CallOutcome>();
        slot->worker.start([self = shared_from_this(), slot = slot.get(), outcome, call, step] {
            *outcome = slot->worker.call(call, [&] { return step(*slot->entry.device); });
        });
        pending.push_back({slot.get(), std::move(outcome)});
    }
    const auto deadline = Clock::now() + common_.stall_timeout;
    for (auto& [slot, outcome] : pending) {
        std::string problem;
        if (!slot->worker.wait(deadline)) {
            slot->stuck = true;
            problem = " is stuck in " + std::string(call);
        } else if (!outcome->ok()) {
            problem = ": " + std::string(call) + " failed: " + outcome->result.detail;
        } else {
            continue;
        }
        device_problem_ +=
            (device_problem_.empty() ? "" : "; ") + to_string(slot->identity) + problem;
    }
}

void MigrationSession::refresh_states() {
    for (auto& slot : devices_) {
        if (slot->stuck) continue;
        auto state = std::make_shared<std::optional<DeviceState>>();
        slot->worker.start([self = shared_from_this(), slot = slot.get(), state] {
            (void)slot->worker.call("state", [&] {
                *state = slot->entry.device->state();
                return CallResult::success();
            });
        });
        if (!slot->worker.wait(Clock::now() + common_.stall_timeout)) {
            slot->stuck = true;
        } else if (*state) {
            slot->seen_state = **state;
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
    host_worker_->start([self = shared_from_this(), name, step, outcome] {
        *outcome = self->host_worker_->call(name, [&] { return step(*self->host_, {}); });
    });
    if (!host_worker_->wait(Clock::now() + common_.stall_timeout)) return who + " did not return";
    return outcome->ok() ? std::string() : who + " failed: " + outcome->result.detail;
}

}  // namespace multifd
