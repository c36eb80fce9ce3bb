#include "engine/destination/destination_session.hpp"

#include <algorithm>

#include "channels/transport/congestion_control.hpp"
#include "engine/ownership/ownership.hpp"

namespace multifd {
namespace {

std::vector<DeviceIdentity> identities_of(const std::vector<std::unique_ptr<DeviceSlot>>& devices) {
    std::vector<DeviceIdentity> identities;
    identities.reserve(devices.size());
    for (const auto& slot : devices) identities.push_back(slot->identity);
    return identities;
}

}  // namespace

DestinationSession::DestinationSession(DestinationSettings settings,
                                       std::vector<DeviceEntry> devices, Host* host, LogSink log)
    : MigrationSession(Role::destination, settings, std::move(devices), host, std::move(log)),
      settings_(std::move(settings)),
      qemu_(settings_.peer == Peer::qemu),
      incoming_(devices_.size()),
      directory_(identities_of(devices_)),
      ownership_(settings_.peer) {}

Report DestinationSession::run(ConnectionListener& listener) {
    bool loaded = false;
    try {
        loaded = load(listener);
    } catch (...) {
        fail(failure_of(std::current_exception()));
    }
    // Everything from here on decides who owns the devices: no late trouble may interrupt it.
    settle_ownership(loaded && seal_outcome());
    end_control();
    end_plane();
    main_.shut_down();
    return std::move(*report_);
}

bool DestinationSession::load(ConnectionListener& listener) {
    return check_peer_dma() && accept_source(listener) && agree_with_source(listener) &&
           let_channels_in() && ready_devices() && load_stream() && await_load_threads() &&
           validate_devices() && compare_tables();
}

// What connects and does not speak as a source does is dropped, and the next one awaited: a
// stranger must not end a destination.
bool DestinationSession::accept_source(ConnectionListener& listener) {
    if (!prepare_records()) return false;
    draw_session_id();
    for (;;) {
        auto main = listener.accept_main(kNoDeadline, &interrupt_);
        // Somebody is on the way in: a source should be told of the cancel.
        if (!main && failed() && !qemu_ && listener.has_newcomers()) {
            main = listener.accept_main(last_question_at(), nullptr);
        }
        if (!main) {
            fail({.code = main.error(),
                  .detail = "waiting for a source failed: " + main.error().message()});
            return false;
        }
        main_ = std::move(*main);
        congestion_control_ = congestion_control_of(main_.fd());
        {
            const std::scoped_lock lock(names_mutex_);
            began_ = Clock::now();
            peer_ = main_.peer();
        }
        reader_.emplace(main_, static_cast<const SectionClassifier&>(*this),
                        ParserOptions{.extensions = !qemu_, .recording = false}, interrupt_);
        if (failed()) return false;
        if (qemu_ || hears_a_source()) break;
        if (failed()) return false;
    }
    set_status(Status::setup);
    log(LogLevel::info, "a source has connected from " + peer_);
    start_control();
    return !failed();
}

// The cause is on record before the main thread can see that the cancel was granted.
CancelAnswer DestinationSession::cancel() noexcept {
    const auto phase = status();
    CancelAnswer answer = CancelAnswer::not_running;
    {
        const std::scoped_lock lock(ownership_mutex_);
        answer = ownership_.ask_cancel();
        if (answer == CancelAnswer::in_doubt) released_ = true;
        if (answer == CancelAnswer::requested) cancel_requested_ = true;
        if (answer == CancelAnswer::accepted) {
            Failure failure;
            failure.code = Errc::cancelled;
            failure.phase = to_string(phase);  // Short enough to need no memory.
            note(std::move(failure));
        }
    }
    if (answer == CancelAnswer::accepted) {
        set_status(Status::cancelling);
        stop_everything();
    }
    will_.notify_all();
    return answer;
}

void DestinationSession::stop_data_plane() noexcept {
    will_.notify_all();
    const std::scoped_lock lock(plane_mutex_);
    if (inbound_) inbound_->abort();
    if (receivers_) receivers_->abort();
}

bool DestinationSession::must_move() const {
    // Before the switchover the source's host may take its time; the source judges its own phases.
    const bool loading = [this] {
        const std::scoped_lock lock(ownership_mutex_);
        return ownership_.state() == DestinationState::loading;
    }();
    return loading && status() == Status::device;
}

Failure DestinationSession::standstill() const {
    Failure failure{.code = Errc::stall_timeout};
    failure.detail = "nothing has come from " + peer_ + " (--stall-timeout)";
    const std::scoped_lock lock(plane_mutex_);
    for (const auto& slot : devices_) {
        if (!slot->multifd || slot->ended || !inbound_) continue;
        failure.device = slot->identity;
        failure.idx = inbound_->next_idx(slot->id);
        failure.detail = "this packet has not come from " + peer_ + " (--stall-timeout)";
        break;
    }
    return failure;
}

bool DestinationSession::needs_connection() const {
    const std::scoped_lock lock(ownership_mutex_);
    return !ownership_.final() && !ownership_.in_doubt() &&
           ownership_.state() == DestinationState::loading;
}

void DestinationSession::add_numbers(Statistics& statistics) const {
    if (statistics.status == Status::none) statistics.waits_for = "a source";
    {
        const std::scoped_lock lock(ownership_mutex_);
        statistics.owner = owner_of(ownership_.state());
        const auto awaited = awaited_in(ownership_.state());
        if (!awaited.empty()) statistics.waits_for = awaited;
    }
    const std::scoped_lock lock(plane_mutex_);
    if (receivers_) {
        add_traffic(statistics, receivers_->counters(), receivers_->traffic());
        describe_channels(statistics, channel_paths_);
    }
    if (!inbound_) return;
    statistics.queued_bytes = inbound_->queued_bytes();
    statistics.peak_queued_bytes = inbound_->peak_queued_bytes();
}

}  // namespace multifd
