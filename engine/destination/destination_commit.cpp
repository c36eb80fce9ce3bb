// The destination at the end: Loaded, Commit or Abort, running or clean. The ownership machine
// decides; what it asks for is done here.
#include <algorithm>
#include <array>

#include "engine/destination/destination_session.hpp"
#include "engine/ownership/ownership.hpp"
#include "engine/paths/machine_topology.hpp"

namespace multifd {
namespace {

// How often the waiting in doubt looks at what only changes a flag.
constexpr auto kDoubtSlice = std::chrono::milliseconds(100);
constexpr auto kRefusalWait = std::chrono::milliseconds(300);

}  // namespace

void DestinationSession::settle_ownership(bool complete) noexcept {
    try {
        raise(complete ? DestinationEvent::all_loaded : DestinationEvent::load_failed);
        for (;;) {
            {
                const std::scoped_lock lock(ownership_mutex_);
                if (ownership_.final()) break;
            }
            if (const auto event = await_event()) raise(*event);
        }
        if (!report_) conclude(Status::failed);
    } catch (...) {
        note(failure_of(std::current_exception()));
    }
    if (!report_) report_.emplace().status = Status::failed;
}

void DestinationSession::raise(DestinationEvent event) {
    DestinationActions actions;
    {
        const std::scoped_lock lock(ownership_mutex_);
        actions = ownership_.on(event);
    }
    perform(actions);
}

// Each action is tried whatever became of the one before.
void DestinationSession::perform(const DestinationActions& actions) noexcept {
    for (const auto action : actions) {
        try {
            perform(action);
        } catch (...) {
            note(failure_of(std::current_exception()));
        }
    }
}

void DestinationSession::perform(DestinationAction action) {
    switch (action) {
        case DestinationAction::record_loaded:
            return record(Decision::loaded);
        case DestinationAction::record_starting:
            return record(Decision::starting);
        case DestinationAction::record_running:
            return record(Decision::running);
        case DestinationAction::record_refused:
            return record(Decision::refused);
        case DestinationAction::record_clean:
            return record(Decision::clean);
        case DestinationAction::send_loaded:
            return send_loaded();
        case DestinationAction::send_running:
            return send_verdict(ReturnPathType::running);
        case DestinationAction::send_refused:
            return send_verdict(ReturnPathType::refused);
        case DestinationAction::send_shut:
        case DestinationAction::send_shut_error: {
            if (!return_path_open_) return;
            std::vector<std::byte> message;
            const std::uint32_t code = action == DestinationAction::send_shut ? 0 : 1;
            append_message(message, ReturnPathType::shut, encode_u32(code));
            (void)main_.send(message, Clock::now() + common_.stall_timeout, nullptr);
            return;
        }
        case DestinationAction::start_devices:
            return start_devices();
        case DestinationAction::clean_devices:
            return clean_devices();
        case DestinationAction::keep_stopped:
            leave_stuck_devices();
            return refresh_states();
        case DestinationAction::request_cancel_from_source:
            return request_cancel();
        case DestinationAction::report_completed:
            return conclude(Status::completed);
        case DestinationAction::report_failed:
            return conclude(Status::failed);
        case DestinationAction::report_unknown_owner:
            return conclude(Status::unknown_owner);
    }
}

void DestinationSession::record(Decision decision) {
    const auto outcome = write_record(decision);
    if (outcome != RecordOutcome::written) {
        note({.code = Errc::record_failed, .detail = records_.problem()});
    }
    switch (outcome) {
        case RecordOutcome::written:
            return raise(DestinationEvent::record_written);
        case RecordOutcome::failed:
            return raise(DestinationEvent::record_failed);
        case RecordOutcome::late:
            return raise(DestinationEvent::deadline_passed);
    }
}

void DestinationSession::send_loaded() {
    std::vector<VerifyEntry> entries;
    for (std::uint32_t i = 0; agreed_verify_ && i < source_order_.size(); ++i) {
        const auto& slot = *devices_[source_order_[i]];
        entries.push_back(count(slot));
        entries.back().device = i;
    }
    std::vector<std::byte> messages;
    if (transfer_report_wanted_) {
        append_message(messages, ReturnPathType::transfer_report, encode(transfer_report()));
    }
    for (const auto& body : encode_verify(entries)) {
        append_message(messages, ReturnPathType::loaded, body);
    }
    const auto error = main_.send(messages, Clock::now() + common_.stall_timeout, nullptr);
    if (error == Errc::phase_timeout) {
        doubt_ = peer_ + " does not read the main channel";
        raise(DestinationEvent::deadline_passed);
        return;
    }
    // What the source said before it closed, an Abort perhaps, is still to be read, then the end.
    if (error) return;
    log(LogLevel::info, "everything is loaded; waiting for the source to commit");
}

void DestinationSession::send_verdict(ReturnPathType type) {
    std::vector<std::byte> body;
    if (const auto failure = first_failure_.get()) body = encode(to_peer_error(*failure));
    std::vector<std::byte> message;
    append_message(message, type, body);
    (void)main_.send(message, Clock::now() + common_.stall_timeout, nullptr);
}

void DestinationSession::request_cancel() {
    log(LogLevel::info, "asking the source to cancel");
    control_.send(ControlType::cancel_request);
}

// In doubt: Commit or Abort from the main channel, or the operator's word.
std::optional<DestinationEvent> DestinationSession::await_event() {
    DestinationState state = DestinationState::loading;
    {
        std::unique_lock lock(ownership_mutex_);
        state = ownership_.state();
        if (released_) return DestinationEvent::release;
        if (std::exchange(cancel_requested_, false)) return DestinationEvent::cancel_requested;
    }
    const bool doubtful = state == DestinationState::unknown;
    if (doubtful && common_.on_unknown_owner == OnUnknownOwner::exit)
        return DestinationEvent::release;
    if (!main_ended_) return read_verdict();
    std::unique_lock lock(ownership_mutex_);
    will_.wait(lock, [this] { return released_ || cancel_requested_; });
    return std::nullopt;
}

std::optional<DestinationEvent> DestinationSession::read_verdict() {
    const auto event = reader_->next(Clock::now() + kDoubtSlice);
    if (!event) {
        if (event.error() != Errc::phase_timeout) {
            main_ended_ = true;
            doubt_ = "the main channel ended: " + event.error().message();
            return DestinationEvent::main_channel_ended;
        }
        const auto heard = control_.last_heard();
        const bool silent = heard && Clock::now() - *heard > common_.stall_timeout;
        if (!silent || silence_told_) return std::nullopt;
        // Silence means doubt. The connection still stands, so a Commit may yet come.
        silence_told_ = true;
        doubt_ = "nothing was heard from " + peer_ + " for too long";
        return DestinationEvent::deadline_passed;
    }
    const auto* command = std::get_if<Command>(&*event);
    if (command == nullptr) {
        if (const auto* description = std::get_if<VmDescription>(&*event)) {
            (void)reader_->skip_raw(description->bytes);
        }
        return std::nullopt;
    }
    if (command->id == kCommandCommit) {
        committed_ = Clock::now();
        return DestinationEvent::commit_received;
    }
    if (command->id != kCommandAbort) return std::nullopt;
    note(failure_of_abort(command->data));
    return DestinationEvent::abort_received;
}

bool DestinationSession::start_host() {
    if (host_ == nullptr) return true;
    const auto outcome =
        settle_host("start", [](Host& host, std::stop_token cancel) { return host.start(cancel); });
    if (outcome.empty()) return true;
    note({.code = Errc::host_failed, .detail = outcome});
    return false;
}

// Both barriers: all that can reach their P2P state first, then all run, then the guest.
void DestinationSession::start_devices() {
    if (!committed_) committed_ = Clock::now();
    const bool devices_run =
        settle_states(DeviceState::running_p2p,
                      [](const DeviceSlot& slot) { return slot.running && slot.traits.p2p; }) &&
        settle_states(DeviceState::running, [](const DeviceSlot& slot) { return slot.running; });
    refresh_states();
    if (devices_run && start_host()) {
        running_ = Clock::now();
        return raise(DestinationEvent::start_succeeded);
    }
    if (!devices_run) {
        note({.code = Errc::device_failed, .detail = "starting the devices: " + device_problem_});
    }
    // A device that is stuck, or does not say where it is, may run: that counts as started.
    const bool none = std::ranges::all_of(devices_, [](const auto& slot) {
        return !slot->stuck && slot->answered &&
               (slot->seen_state == DeviceState::stop || slot->seen_state == DeviceState::error);
    });
    raise(none ? DestinationEvent::start_failed_none_started
               : DestinationEvent::start_failed_some_started);
}

void DestinationSession::clean_devices() {
    settle_cause();
    refuse_source();
    leave_stuck_devices();
    end_plane();  // What the kernel still holds for a channel may be on its way into lent memory.
    const auto touched = [this](const DeviceSlot& slot) {
        return incoming_[slot.id.value].touched;
    };
    settle_devices("reset", touched, [](Device& device) { return device.reset(); });
    settle_devices(
        "going to stop", touched,
        [](Device& device) {
            return device.state() == DeviceState::stop ? CallResult::success()
                                                       : device.set_state(DeviceState::stop);
        },
        DeviceState::stop);
    refresh_states();
}

// A cancel right after a connection has come: what it is, is on its way.
bool DestinationSession::hears_the_question() {
    if (asked_for_hello_ || qemu_ || !reader_) return asked_for_hello_;
    const auto deadline = last_question_at();
    reader_->disregard_interrupt();
    for (auto event = reader_->next(deadline); event; event = reader_->next(deadline)) {
        const auto* command = std::get_if<Command>(&*event);
        if (std::holds_alternative<SectionBegin>(*event)) return false;
        if (command == nullptr || command->id != kCommandPing) continue;
        const auto value = decode_u32(command->data);
        return value && *value == kHelloPing;
    }
    return false;
}

// Whichever way the source listens on by now.
void DestinationSession::refuse_source() {
    const auto failure = first_failure_.get();
    const bool before_control = !control_.last_heard();
    if (!failure || failure->told_by_peer || !before_control || !main_.is_open()) return;
    if (!hears_the_question()) return;
    std::vector<std::byte> message;
    append_message(message, ReturnPathType::refused, encode(to_peer_error(*failure)));
    const auto deadline = Clock::now() + kRefusalWait;
    if (main_.send(message, deadline, nullptr)) return;
    // Closed with bytes unread, a TCP connection is reset, and the reset may overtake the message.
    main_.half_close();
    std::array<std::byte, 4096> unread;
    for (auto count = main_.receive_some(unread, deadline, nullptr); count && *count > 0;) {
        count = main_.receive_some(unread, deadline, nullptr);
    }
}

void DestinationSession::end_plane() noexcept {
    if (inbound_) inbound_->abort();
    if (!receivers_) return;
    receivers_->abort();
    receivers_->join();
}

void DestinationSession::conclude(Status status) {
    watching_.store(false, std::memory_order_relaxed);
    status = settle_status(status);
    if (running_) add_downtime_parts();
    Report report;
    fill_report(report);
    report.status = status;
    if (switchover_ && running_) {
        const auto span =
            std::chrono::duration_cast<std::chrono::milliseconds>(*running_ - *switchover_);
        report.switchover_span_ms = static_cast<std::uint64_t>(span.count());
    }
    DestinationState state = DestinationState::clean;
    {
        const std::scoped_lock lock(ownership_mutex_);
        state = ownership_.state();
    }
    const auto summary = summarize(
        state,
        {.peer = settings_.peer, .session = report.session, .device_problem = device_problem_});
    add_owner(report, summary);
    if (status == Status::completed) report.error.reset();
    if (status == Status::unknown_owner) {
        report.error = to_report(
            {.code = Errc::unknown_owner,
             .detail = "everything is loaded and neither Commit nor Abort came (" + doubt_ + ")",
             .phase = "device"},
            peer_);
        log(LogLevel::error, describe(*report.error) + "; " + report.next_step);
    } else if (report.error) {
        log(LogLevel::error, describe(*report.error));
    }
    report_ = std::move(report);
}

// Between multifd ends it is final once everything is validated: the channels have ended by then.
TransferReport DestinationSession::transfer_report() const {
    const auto slowest = [&](auto member) {
        std::uint64_t us = 0;
        for (const auto& slot : devices_) us = std::max(us, (slot->times.*member).us());
        return us;
    };
    std::chrono::microseconds receiving(0);
    std::uint64_t busiest_ns = 0;
    const auto channels = receivers_->counters();
    for (std::size_t i = 0; i < channels.size() && i < receiving_before_.size(); ++i) {
        const std::chrono::microseconds all(channels[i].moving.us());
        receiving = std::max(receiving, all - receiving_before_[i]);
        busiest_ns = std::max(busiest_ns, channels[i].cpu_ns.value());
    }
    std::chrono::microseconds validating(0);
    if (loaded_ && validated_) {
        validating = std::chrono::duration_cast<std::chrono::microseconds>(*validated_ - *loaded_);
    }
    const auto cost = transfer_cost().value_or(TransferCost{});
    return {.us = cost.us,
            .user_us = cost.user_us,
            .system_us = cost.system_us,
            .processors = allowed_processors(),
            .peak_queued_bytes = inbound_->peak_queued_bytes(),
            .channel_cpu_us = busiest_ns / 1000,
            .receive_us = static_cast<std::uint64_t>(receiving.count()),
            .reorder_wait_us = slowest(&DeviceTimes::wait),
            .write_us = slowest(&DeviceTimes::data),
            .config_us = slowest(&DeviceTimes::config),
            .validate_us = static_cast<std::uint64_t>(validating.count())};
}

void DestinationSession::add_downtime_parts() {
    downtime_parts_.clear();
    const auto transfer = transfer_report();
    if (switchover_ && loaded_) add_part("state", *loaded_ - *switchover_);
    downtime_parts_.push_back({"receive", transfer.receive_us});
    downtime_parts_.push_back({"reorder-wait", transfer.reorder_wait_us});
    downtime_parts_.push_back({"write", transfer.write_us});
    downtime_parts_.push_back({"config", transfer.config_us});
    if (validated_) downtime_parts_.push_back({"validate", transfer.validate_us});
    if (validated_ && committed_) add_part("commit", *committed_ - *validated_);
    if (committed_) add_part("start", *running_ - *committed_);
}

}  // namespace multifd
