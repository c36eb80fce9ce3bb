#include "engine/source/source_session.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include "engine/ownership/ownership.hpp"

namespace multifd {
namespace {

// Of packets, or of questions to a destination that takes nothing: a living path loses one, not two
// in a row after a timeout.
constexpr std::uint64_t kUnansweredByDeadPath = 2;

bool runs(DeviceState state) {
    return state == DeviceState::running || state == DeviceState::running_p2p;
}

// How often a wait for the rate shows that it is one, and no standstill.
Clock::duration beat_of(const CommonSettings& settings) {
    constexpr Clock::duration kBeatMax = std::chrono::milliseconds(50);
    constexpr Clock::duration kBeatMin = std::chrono::milliseconds(1);
    return std::clamp<Clock::duration>(settings.stall_timeout / 10, kBeatMin, kBeatMax);
}

}  // namespace

SourceSession::SourceSession(SourceSettings settings, std::vector<DeviceEntry> devices, Host* host,
                             LogSink log)
    : MigrationSession(Role::source, settings, std::move(devices), host, std::move(log)),
      settings_(std::move(settings)),
      qemu_(settings_.peer == Peer::qemu),
      outgoing_(devices_.size()),
      pre_copy_pacer_(progress_, beat_of(settings_)),
      switchover_pacer_(progress_, beat_of(settings_)),
      ownership_(settings_.peer) {
    peer_ = settings_.to;
}

Report SourceSession::run() {
    try {
        migrate();
    } catch (...) {
        fail(failure_of(std::current_exception()));
    }
    settle_ownership();
    end_connections();
    return std::move(*report_);
}

void SourceSession::number_from(std::uint32_t first_idx) noexcept {
    for (auto& slot : devices_) slot->idx = first_idx;
}

bool SourceSession::migrate() {
    set_status(Status::setup);
    start_control();
    return examine_devices() && connect_main() && agree_with_destination() && open_channels() &&
           set_up_devices() && iterate_pre_copy() && predict_downtime() &&
           ask_before_switchover() && stop_devices() && send_state() && send_last_sections();
}

bool SourceSession::examine_devices() {
    if (!prepare_records()) return false;
    const auto all = [](const DeviceSlot&) { return true; };
    const bool examined = run_jobs(all, [this](DeviceSlot& slot) {
        auto& device = *slot.entry.device;
        const auto asked = slot.worker.call("state", [&] {
            slot.initial_state = device.state();
            return CallResult::success();
        });
        if (!asked.ok()) return fail_call(slot, "state", asked);
        slot.seen_state = slot.initial_state;
        slot.running = runs(slot.initial_state);
        slot.pre_copies = slot.traits.pre_copy && slot.running;
        if (!slot.running && slot.initial_state != DeviceState::stop) {
            return fail({.code = Errc::device_state_wrong,
                         .detail = "the device is in " +
                                   std::string(to_string(slot.initial_state)) +
                                   "; a migration begins from running, running-p2p or stop",
                         .device = slot.identity});
        }
        const auto size =
            slot.worker.call("stop_copy_size", [&] { return device.stop_copy_size(); });
        if (!size.ok()) return fail_call(slot, "stop_copy_size", size);
        slot.expected_bytes = size.result.value;
    });
    return examined && check_peer_dma();
}

CancelAnswer SourceSession::cancel() noexcept {
    return ask_to_cancel(Errc::cancelled);
}

// The cause is on record before the main thread can see that the cancel was granted.
CancelAnswer SourceSession::ask_to_cancel(Errc cause) noexcept {
    const auto phase = status();
    CancelAnswer answer = CancelAnswer::not_running;
    {
        const std::scoped_lock lock(ownership_mutex_);
        answer = ownership_.ask_cancel();
        if (answer == CancelAnswer::in_doubt && cause == Errc::cancelled) released_ = true;
        if (answer == CancelAnswer::accepted) {
            Failure failure;
            failure.code = cause;
            failure.phase = to_string(phase);  // Short enough to need no memory.
            failure.told_by_peer = cause == Errc::cancelled_by_peer;
            note(std::move(failure));
        }
    }
    if (answer == CancelAnswer::accepted) {
        set_status(Status::cancelling);
        stop_everything();
    }
    inbox_.wake();
    return answer;
}

void SourceSession::on_return_path(const Message& message) {
    inbox_.take(message);
    if (!failed() || static_cast<ReturnPathType>(message.type) != ReturnPathType::refused) return;
    // It may explain what was only a symptom.
    if (const auto reason = inbox_.mail().refused) note(failure_of(*reason));
}

// Too late, the destination learns it from Commit.
void SourceSession::on_peer_cancel() {
    (void)ask_to_cancel(Errc::cancelled_by_peer);
}

void SourceSession::stop_data_plane() noexcept {
    inbox_.wake();
    pre_copy_pacer_.abort();
    switchover_pacer_.abort();
    const std::scoped_lock lock(plane_mutex_);
    for (auto* gate : {buffer_gate_.get(), queue_gate_.get()}) {
        if (gate != nullptr) gate->abort();
    }
    for (auto& outgoing : outgoing_) {
        if (outgoing.digest) outgoing.digest->abort();
    }
    if (pool_) pool_->abort();
    if (senders_) senders_->abort();
}

bool SourceSession::must_move() const {
    switch (status()) {
        case Status::active:
        case Status::device:
            return true;
        case Status::none:
        case Status::setup:  // Connecting and agreeing have deadlines of their own.
        case Status::pre_switchover:
        case Status::completed:
        case Status::failed:
        case Status::cancelling:
        case Status::cancelled:
        case Status::unknown_owner:
            return false;
    }
    return false;
}

Failure SourceSession::standstill() const {
    Failure failure{.code = Errc::stall_timeout};
    for (const auto& slot : devices_) {
        if (slot->worker.idle()) continue;
        failure.device = slot->identity;
        failure.idx = slot->idx.load(std::memory_order_relaxed);
        break;
    }
    failure.detail =
        "nothing has moved in phase " + std::string(to_string(status())) +
        (failure.device ? ", this packet waits to be sent" : ", the answer is awaited") + " to " +
        peer_ + " (--stall-timeout)";
    return failure;
}

// A destination that takes nothing answers all the same; a path that is cut is silent.
void SourceSession::add_evidence(Failure& failure) const {
    std::set<std::string_view> silent;
    const std::scoped_lock lock(plane_mutex_);
    for (std::size_t channel = 0; channel < channel_paths_.size(); ++channel) {
        const auto sample = samples_.of(channel);
        if (sample && sample->unanswered >= kUnansweredByDeadPath) {
            silent.insert(channel_paths_[channel]);
        }
    }
    for (const auto path : silent)
        failure.detail += "; nothing comes back from " + std::string(path);
    if (!silent.empty()) failure.detail += ": look at that network path";
}

bool SourceSession::needs_connection() const {
    const std::scoped_lock lock(ownership_mutex_);
    return !ownership_.final() && !ownership_.in_doubt();
}

void SourceSession::add_numbers(Statistics& statistics) const {
    {
        const std::scoped_lock lock(ownership_mutex_);
        statistics.waits_for = awaited_in(ownership_.state());
        statistics.owner = owner_of(ownership_.state());
    }
    const std::scoped_lock lock(plane_mutex_);
    if (senders_) {
        add_traffic(statistics, senders_->counters(), senders_->traffic());
        describe_channels(statistics, channel_paths_);
    }
    if (!pool_) return;
    statistics.queued_bytes = pool_->in_use() * pool_->buffer_bytes();
    statistics.peak_queued_bytes = pool_->peak_in_use() * pool_->buffer_bytes();
}

}  // namespace multifd
