#include "engine/ownership/destination_ownership.hpp"

namespace multifd {

DestinationActions DestinationOwnership::on(DestinationEvent event) {
    switch (state_) {
        case State::loading:
        case State::recording_loaded:
            return before_loaded(event);
        case State::loaded:
        case State::unknown:
            return while_in_doubt(event);
        case State::recording_commit:
            return while_recording_commit(event);
        case State::starting:
            return while_starting(event);
        case State::clean:
            // A broken source commits what it was never told to be loaded: it shall not stay in
            // doubt for that.
            if (event == Event::commit_received) return {Action::send_refused};
            return {};
        case State::running:
        case State::running_partly:
        case State::refused:
        case State::released:
            return {};
    }
    return {};
}

DestinationActions DestinationOwnership::before_loaded(DestinationEvent event) {
    switch (event) {
        case Event::all_loaded:
            if (state_ != State::loading) return {};
            if (cancel_asked_) return clean();
            if (peer_ == Peer::qemu) {
                state_ = State::recording_commit;
                return {Action::record_starting};
            }
            state_ = State::recording_loaded;
            return {Action::record_loaded};
        case Event::record_written:
            if (state_ == State::loading) return {};  // Of `started`; nothing waits for it.
            if (cancel_asked_) return clean();
            state_ = State::loaded;
            return {Action::send_loaded};
        case Event::record_failed:
            if (state_ == State::loading) return {};
            return clean();
        case Event::commit_received:  // Out of order: the peer is broken, and may be in doubt now.
            return peer_ == Peer::multifd ? refuse() : clean();
        case Event::load_failed:
        case Event::cancel_requested:
        case Event::abort_received:
        case Event::main_channel_ended:
        case Event::deadline_passed:
        case Event::start_succeeded:
        case Event::start_failed_none_started:
        case Event::start_failed_some_started:
            return clean();
        case Event::release:
            return {};
    }
    return {};
}

DestinationActions DestinationOwnership::while_in_doubt(DestinationEvent event) {
    switch (event) {
        case Event::commit_received:
            state_ = State::recording_commit;
            return {Action::record_starting};
        case Event::abort_received:
            return clean();
        case Event::load_failed:
        case Event::cancel_requested:
            if (cancel_sent_ || state_ == State::unknown) return {};
            cancel_sent_ = true;
            return {Action::request_cancel_from_source};
        case Event::main_channel_ended:
        case Event::deadline_passed:
            if (state_ == State::unknown) return {};
            state_ = State::unknown;
            return {Action::keep_stopped, Action::report_unknown_owner};
        case Event::release:
            state_ = State::released;
            return {Action::keep_stopped};
        case Event::all_loaded:
        case Event::record_written:
        case Event::record_failed:
        case Event::start_succeeded:
        case Event::start_failed_none_started:
        case Event::start_failed_some_started:
            return {};
    }
    return {};
}

// The end of the main channel changes nothing from here on: what Commit said stands.
DestinationActions DestinationOwnership::while_recording_commit(DestinationEvent event) {
    switch (event) {
        case Event::record_written:
            state_ = State::starting;
            return {Action::start_devices};
        case Event::record_failed:
        case Event::deadline_passed:  // The disk hangs; nothing has been started.
        case Event::load_failed:
            return refuse();
        default:
            return {};
    }
}

DestinationActions DestinationOwnership::while_starting(DestinationEvent event) {
    switch (event) {
        case Event::start_succeeded:
            return run(State::running);
        case Event::start_failed_none_started:
            return refuse();
        case Event::start_failed_some_started:
        case Event::deadline_passed:  // A start that hangs may have happened.
            return run(State::running_partly);
        default:
            return {};
    }
}

DestinationActions DestinationOwnership::clean() {
    state_ = State::clean;
    DestinationActions actions;
    if (peer_ == Peer::qemu) actions.add(Action::send_shut_error);
    actions.add(Action::clean_devices);
    actions.add(Action::report_failed);
    actions.add(Action::record_clean);
    return actions;
}

DestinationActions DestinationOwnership::refuse() {
    state_ = State::refused;
    return {peer_ == Peer::qemu ? Action::send_shut_error : Action::send_refused,
            Action::clean_devices, Action::report_failed, Action::record_refused};
}

DestinationActions DestinationOwnership::run(DestinationState how) {
    state_ = how;
    return {peer_ == Peer::qemu ? Action::send_shut : Action::send_running,
            how == State::running ? Action::report_completed : Action::report_failed,
            Action::record_running};
}

CancelAnswer DestinationOwnership::ask_cancel() noexcept {
    switch (state_) {
        case State::loading:
        case State::recording_loaded:
            cancel_asked_ = true;
            return CancelAnswer::accepted;
        case State::loaded:
            return CancelAnswer::requested;
        case State::recording_commit:
        case State::starting:
        case State::running:
        case State::running_partly:
            return CancelAnswer::too_late;
        case State::unknown:
            return CancelAnswer::in_doubt;
        case State::refused:
        case State::clean:
        case State::released:
            return CancelAnswer::not_running;
    }
    return CancelAnswer::not_running;
}

bool DestinationOwnership::final() const noexcept {
    switch (state_) {
        case State::running:
        case State::running_partly:
        case State::refused:
        case State::clean:
        case State::released:
            return true;
        case State::loading:
        case State::recording_loaded:
        case State::loaded:
        case State::recording_commit:
        case State::starting:
        case State::unknown:
            return false;
    }
    return false;
}

bool DestinationOwnership::in_doubt() const noexcept {
    return state_ == State::loaded || state_ == State::unknown || state_ == State::released;
}

}  // namespace multifd
