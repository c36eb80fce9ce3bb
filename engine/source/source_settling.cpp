// What becomes of the source's devices once the ownership machine has decided, and the report.
#include <algorithm>

#include "engine/ownership/ownership.hpp"
#include "engine/source/source_session.hpp"

namespace multifd {

// The state stays in the devices; STOP_COPY was only for reading it.
void SourceSession::keep_stopped() {
    leave_stuck_devices();
    refresh_states();
    settle_states(DeviceState::stop,
                  [](const DeviceSlot& slot) { return slot.seen_state == DeviceState::stop_copy; });
}

// Back to where they were, in reverse: all stopped, then all P2P, then all running.
void SourceSession::resume_devices() {
    settle_cause();
    leave_stuck_devices();
    end_plane();  // Lent memory may be sent only while its device is stopped.
    refresh_states();
    const auto away = [](const DeviceSlot& slot) {
        return slot.answered && slot.seen_state != slot.initial_state &&
               slot.seen_state != DeviceState::error && slot.initial_state != DeviceState::error;
    };
    settle_states(DeviceState::stop,
                  [](const DeviceSlot& slot) { return slot.seen_state == DeviceState::stop_copy; });
    settle_states(DeviceState::running_p2p, [&](const DeviceSlot& slot) {
        const bool direct =
            slot.seen_state == DeviceState::pre_copy && slot.initial_state == DeviceState::running;
        return away(slot) && slot.traits.p2p && slot.running && !direct;
    });
    settle_states(DeviceState::running, [&](const DeviceSlot& slot) {
        return away(slot) && slot.initial_state == DeviceState::running;
    });
    refresh_states();
    for (const auto& slot : devices_) {
        const bool asked = slot->initial_state != DeviceState::error;
        if (slot->stuck || !slot->answered || !asked) continue;
        if (slot->seen_state == slot->initial_state) continue;
        add_problem(*slot, " is in " + std::string(to_string(slot->seen_state.load())));
    }
    if (!host_paused_) return;
    const auto problem = settle_host(
        "resume", [](Host& host, std::stop_token cancel) { return host.resume(cancel); });
    if (!problem.empty()) device_problem_ += (device_problem_.empty() ? "" : "; ") + problem;
}

void SourceSession::conclude(Status status) {
    watching_.store(false, std::memory_order_relaxed);
    status = settle_status(status);
    add_downtime_parts();
    Report report;
    fill_report(report);
    name_slow_paths(report);
    report.destination = destination_transfer();
    report.status = status;
    report.predicted_downtime = predicted_;
    if (running_at_ && stopped_) {
        const auto downtime =
            std::chrono::ceil<std::chrono::milliseconds>(*running_at_ - stop_began_);
        report.downtime_ms = static_cast<std::uint64_t>(downtime.count());
        compare_downtime(std::chrono::ceil<std::chrono::microseconds>(*running_at_ - stop_began_));
    }
    SourceState state = SourceState::resumed;
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
        auto cause = report.error ? describe(*report.error) : std::string("no answer came");
        report.error = to_report(
            {.code = Errc::unknown_owner,
             .detail = (qemu_ ? "the whole stream was sent and QEMU did not say that it runs ("
                              : "Commit was sent and neither Running nor Refused came (") +
                       cause + ")",
             .phase = "device"},
            peer_);
        log(LogLevel::error, describe(*report.error) + "; " + report.next_step);
    } else if (report.error) {
        log(LogLevel::error, describe(*report.error));
    } else if (const auto problem = inbox_.mail().running_problem) {
        report.next_step = "The destination owns the devices, but not all of them run there (" +
                           problem->message +
                           "). Here they are stopped; do not run them here, and "
                           "see to the destination.";
        log(LogLevel::warning, report.next_step);
    }
    report_ = std::move(report);
}

void SourceSession::name_slow_paths(Report& report) const {
    if (paths_.size() < 2) return;
    std::vector<ChannelEffort> efforts;
    {
        const std::scoped_lock lock(plane_mutex_);
        if (!senders_) return;
        for (const auto& channel : senders_->counters()) {
            const auto& seen = report.channels[efforts.size()];
            ChannelEffort effort{
                .path = path_of(ChannelId{static_cast<std::uint8_t>(seen.id)}, paths_.size()),
                .bytes = seen.bytes,
                .busy_us = channel.moving.us()};
            if (seen.tcp) {
                effort.busy_us =
                    seen.tcp->busy_us - std::min(seen.tcp->busy_us, seen.tcp->receiver_limited_us);
                effort.send_buffer_limited_us = seen.tcp->send_buffer_limited_us;
            }
            efforts.push_back(effort);
        }
    }
    for (const auto& slow : slow_paths(efforts)) {
        report.slow_paths.push_back(to_report(slow, paths_));
        log(LogLevel::warning, describe(report.slow_paths.back()));
    }
}

std::optional<DestinationTransfer> SourceSession::destination_transfer() const {
    const auto mail = inbox_.mail();
    if (!mail.transfer_report) return std::nullopt;
    const auto& told = *mail.transfer_report;
    return DestinationTransfer{
        .transfer = {.us = told.us, .user_us = told.user_us, .system_us = told.system_us},
        .processors = told.processors,
        .queued_bytes_max = mail.hello ? mail.hello->queued_bytes_max : 0,
        .peak_queued_bytes = told.peak_queued_bytes,
        .channel_cpu_us = told.channel_cpu_us,
        .downtime_parts = {{"receive", told.receive_us},
                           {"reorder-wait", told.reorder_wait_us},
                           {"write", told.write_us},
                           {"config", told.config_us},
                           {"validate", told.validate_us}}};
}

void SourceSession::add_downtime_parts() {
    if (!running_at_ || !stopped_) return;
    downtime_parts_.clear();
    const auto slowest = [&](auto member) {
        std::uint64_t us = 0;
        for (const auto& slot : devices_) us = std::max(us, (slot->times.*member).us());
        return std::chrono::microseconds(us);
    };
    std::chrono::microseconds sending(0);
    {
        const std::scoped_lock lock(plane_mutex_);
        const auto channels = senders_->counters();
        for (std::size_t i = 0; i < channels.size(); ++i) {
            const std::chrono::microseconds all(channels[i].moving.us());
            sending = std::max(sending, all - sending_before_[i]);
        }
    }
    add_part("stop", stopped_at_ - stop_began_);
    add_part("state", state_sent_at_ - stopped_at_);
    add_part("read", slowest(&DeviceTimes::data));
    add_part("queue", slowest(&DeviceTimes::wait));
    add_part("config", slowest(&DeviceTimes::config));
    add_part("send", sending);
    if (!qemu_) {
        add_part("load", loaded_at_ - state_sent_at_);
        add_part("verify", verified_at_ - loaded_at_);
        add_part("commit", *running_at_ - verified_at_);
    } else {
        add_part("load", *running_at_ - state_sent_at_);
    }
}

}  // namespace multifd
