#include "engine/session/migration_session.hpp"

#include <algorithm>
#include <utility>

#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

// How long a record is waited for that decides nothing any more.
constexpr auto kNotePatience = std::chrono::milliseconds(500);
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
      last_tick_(began_),
      resumed_at_(began_) {
    devices_.reserve(devices.size());
    for (auto& entry : devices) {
        const DeviceId id{static_cast<std::uint32_t>(devices_.size())};
        devices_.push_back(std::make_unique<DeviceSlot>(std::move(entry), id));
    }
}

void MigrationSession::fail(Failure failure) noexcept {
    {
        const std::scoped_lock lock(stop_mutex_);
        if (sealed_) return;
        note(std::move(failure));
    }
    stop_everything();
}

void MigrationSession::note(Failure failure) noexcept {
    const auto code = failure.code;
    try {
        if (failure.phase.empty()) failure.phase = to_string(status());
        const auto word = failure.told_by_peer || is_symptom(code) ? std::vector<std::byte>{}
                                                                   : encode(to_peer_error(failure));
        if (!first_failure_.set(std::move(failure))) return;
        // Before the connections end, which at the other end must not look like the cause.
        if (!word.empty()) control_.send(ControlType::error, word);
    } catch (...) {
        // No memory for words; the bare code still ends the migration.
        Failure bare;
        bare.code = code;
        (void)first_failure_.set(std::move(bare));
    }
}

void MigrationSession::stop_everything() noexcept {
    if (plane_stopped_.exchange(true)) return;
    interrupt_.raise();
    stop_data_plane();
    records_.wake();
    host_worker_->wake();
    for (auto& slot : devices_) slot->worker.wake();
    // Foreign code comes last: whatever it does, nobody waits for it in vain.
    host_stop_.request_stop();
    for (auto& slot : devices_) {
        if (!slot->worker.idle()) slot->entry.device->interrupt();
    }
    const std::scoped_lock lock(stop_mutex_);
    interrupts_sent_ = true;
    stop_done_.notify_all();
}

bool MigrationSession::seal_outcome() noexcept {
    const std::scoped_lock lock(stop_mutex_);
    if (failed()) return false;
    sealed_ = true;
    return true;
}

void MigrationSession::fail_call(const DeviceSlot& slot, const char* call,
                                 const CallOutcome& outcome) {
    if (failed() && outcome.error == Errc::cancelled) return;
    const bool interrupted = outcome.error == Errc::cancelled;
    fail({.code = interrupted ? ErrorCode(Errc::device_failed) : outcome.error,
          .detail = std::string(call) + " failed: " + outcome.reason(),
          .device = slot.identity});
}

void MigrationSession::log(LogLevel level, const std::string& message) const noexcept {
    if (!log_sink_) return;
    try {
        std::string session;
        {
            const std::scoped_lock lock(names_mutex_);
            session = session_text_;
        }
        log_sink_({level, session, to_string(role_), to_string(status()), message});
    } catch (...) {
        // A line is lost; a migration is not ended by its log.
    }
}

Status MigrationSession::status() const {
    const std::scoped_lock lock(status_mutex_);
    return status_.status();
}

void MigrationSession::set_status(Status next) noexcept {
    {
        const std::scoped_lock lock(status_mutex_);
        if (status_.status() == next) return;
        // A cancel may have moved on to cancelling meanwhile; then the step's status is past.
        if (!status_.try_set(next)) return;
    }
    begin_phase();
}

bool MigrationSession::was_cancelled() const {
    const auto failure = first_failure_.get();
    return failure &&
           (failure->code == Errc::cancelled || failure->code == Errc::cancelled_by_peer);
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
        if (outcome.ok() || (self->failed() && outcome.error == Errc::cancelled)) return;
        self->fail({.code = Errc::host_failed,
                    .detail = "the host's " + std::string(name) + " failed: " + outcome.reason()});
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

bool MigrationSession::prepare_records() {
    const auto outcome =
        records_.prepare(Clock::now() + common_.stall_timeout, [this] { return failed(); });
    if (outcome == RecordOutcome::written) return !failed();
    fail({.code = Errc::record_failed, .detail = records_.problem()});
    return false;
}

RecordOutcome MigrationSession::write_record(Decision decision) noexcept {
    try {
        SessionRecord record;
        record.session = session_text_;
        record.role = role_;
        record.peer = peer_;
        record.decision = decision;
        for (const auto& slot : devices_) record.devices.push_back(slot->identity);
        // What is only noted after the fact need not hold up the report for long.
        const bool decides = decision == Decision::commit_decided || decision == Decision::loaded ||
                             decision == Decision::starting || decision == Decision::started;
        const auto patience = decides
                                  ? Clock::duration(common_.stall_timeout)
                                  : std::min<Clock::duration>(common_.stall_timeout, kNotePatience);
        const bool may_give_up = decision == Decision::started;
        const auto outcome = records_.write(record, Clock::now() + patience,
                                            [&] { return may_give_up && failed(); });
        if (outcome != RecordOutcome::written) log(LogLevel::error, records_.problem());
        return outcome;
    } catch (...) {
        return RecordOutcome::failed;
    }
}

bool MigrationSession::begin_record() {
    const auto began = Clock::now();
    const auto outcome = write_record(Decision::started);
    record_time_ = Clock::now() - began;
    if (outcome == RecordOutcome::written) return !failed();
    fail({.code = Errc::record_failed, .detail = records_.problem()});
    return false;
}

void MigrationSession::settle_cause() {
    if (std::exchange(cause_settled_, true)) return;
    auto failure = first_failure_.get();
    if (failure && is_symptom(failure->code)) {
        control_.await_last_word(Clock::now() + kLastWordWait);
    }
    first_failure_.settle();
    // fail() has told what it knew to be a cause; a symptom became one only now.
    failure = first_failure_.get();
    if (failure && !failure->told_by_peer && is_symptom(failure->code)) {
        control_.send(ControlType::error, encode(to_peer_error(*failure)));
    }
    control_.flush(Clock::now() + kLastWordWait);
}

void MigrationSession::end_control() noexcept {
    watching_.store(false, std::memory_order_relaxed);
    control_.stop();
}

}  // namespace multifd
