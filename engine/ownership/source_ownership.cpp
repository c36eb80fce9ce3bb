#include "engine/ownership/source_ownership.hpp"

namespace multifd {

SourceActions SourceOwnership::on(SourceEvent event, MainChannelPosition position) {
    if (event == Event::main_channel_ended || event == Event::clean_end) {
        main_channel_ended_ = true;
    }
    switch (state_) {
        case State::owning:
        case State::awaiting_loaded:
        case State::verifying:
            return before_decision(event, position);
        case State::deciding:
            return while_deciding(event);
        case State::withdrawing:
            return while_withdrawing(event);
        case State::committed:
        case State::unknown:
            return after_commit(event);
        case State::given_up:
        case State::resumed:
        case State::released:
            return {};
    }
    return {};
}

SourceActions SourceOwnership::before_decision(SourceEvent event, MainChannelPosition position) {
    switch (event) {
        case Event::record_written:  // Of `started`; nothing waits for it.
        case Event::record_failed:
        case Event::release:
            return {};
        case Event::everything_sent:
            if (state_ != State::owning || cancel_asked_) return fail(position);
            if (peer_ == Peer::qemu) return decide();
            state_ = State::awaiting_loaded;
            return {};
        case Event::loaded_received:
            if (state_ != State::awaiting_loaded || cancel_asked_) return fail(position);
            state_ = State::verifying;
            return {Action::verify};
        case Event::verified_ok:
            if (state_ != State::verifying || cancel_asked_) return fail(position);
            return decide();
        case Event::verification_failed:
        case Event::local_failure:
        case Event::cancel_requested:
        case Event::peer_cancel_requested:
        case Event::running_received:  // Out of order: the peer is broken, and has had no Commit.
        case Event::refused_received:
        case Event::clean_end:
        case Event::main_channel_ended:
        case Event::deadline_passed:
            return fail(position);
    }
    return {};
}

SourceActions SourceOwnership::decide() {
    state_ = State::deciding;
    return {Action::record_commit_decided};
}

// The record may or may not be durable; no byte of Commit has left, so the destination cannot run.
SourceActions SourceOwnership::while_deciding(SourceEvent event) {
    switch (event) {
        case Event::record_written:
            if (withdraw_) {
                state_ = State::withdrawing;
                return {Action::record_resumed};
            }
            state_ = State::committed;
            return {peer_ == Peer::qemu ? Action::send_eof : Action::send_commit};
        case Event::record_failed:
        case Event::deadline_passed:  // The disk hangs; the guest need not.
            return fail(MainChannelPosition::between_records);
        case Event::main_channel_ended:
        case Event::clean_end:
        case Event::local_failure:
        case Event::loaded_received:
        case Event::running_received:
        case Event::refused_received:
            // Commit would not arrive, or a broken peer would get it. The write is under way, so
            // what follows depends on how it ends.
            withdraw_ = true;
            return {};
        case Event::everything_sent:
        case Event::verified_ok:
        case Event::verification_failed:
        case Event::cancel_requested:
        case Event::peer_cancel_requested:
        case Event::release:
            return {};
    }
    return {};
}

// A durable record says that the destination may run. Running here under that record would make it
// lie to whoever settles the doubt of the destination, so it must be replaced first.
SourceActions SourceOwnership::while_withdrawing(SourceEvent event) {
    switch (event) {
        case Event::record_written: {
            state_ = State::resumed;
            SourceActions actions;
            if (!main_channel_ended_) {
                actions.add(peer_ == Peer::qemu ? Action::close_main : Action::send_abort);
            }
            actions.add(Action::resume_devices);
            actions.add(Action::report_failed);
            return actions;
        }
        case Event::record_failed:
        case Event::deadline_passed:
            return enter_unknown();
        default:
            return {};
    }
}

SourceActions SourceOwnership::after_commit(SourceEvent event) {
    switch (event) {
        case Event::running_received:
            return complete();
        case Event::clean_end:
            return peer_ == Peer::qemu ? complete() : enter_unknown();
        case Event::refused_received:
            // QEMU's error does not say whether it ran before it failed.
            if (peer_ == Peer::qemu) return enter_unknown();
            state_ = State::resumed;
            return {Action::resume_devices, Action::report_failed, Action::record_resumed};
        case Event::local_failure:
        case Event::loaded_received:
        case Event::main_channel_ended:
        case Event::deadline_passed:
            return enter_unknown();
        case Event::release:
            if (state_ != State::unknown) return {};
            state_ = State::released;
            return {Action::keep_stopped};
        case Event::everything_sent:
        case Event::verified_ok:
        case Event::verification_failed:
        case Event::cancel_requested:
        case Event::peer_cancel_requested:
        case Event::record_written:
        case Event::record_failed:
            return {};
    }
    return {};
}

// The source owns: no byte of Commit has left.
SourceActions SourceOwnership::fail(MainChannelPosition position) {
    const bool abort_fits =
        peer_ == Peer::multifd && position == MainChannelPosition::between_records;
    state_ = State::resumed;
    SourceActions actions;
    if (!main_channel_ended_) actions.add(abort_fits ? Action::send_abort : Action::close_main);
    actions.add(Action::resume_devices);
    actions.add(Action::report_failed);
    actions.add(Action::record_resumed);  // Last: the guest does not wait for the disk.
    return actions;
}

SourceActions SourceOwnership::enter_unknown() {
    if (state_ == State::unknown) return {};
    state_ = State::unknown;
    return {Action::keep_stopped, Action::report_unknown_owner};
}

SourceActions SourceOwnership::complete() {
    state_ = State::given_up;
    return {Action::keep_stopped, Action::report_completed, Action::record_given_up};
}

CancelAnswer SourceOwnership::ask_cancel() noexcept {
    switch (state_) {
        case State::owning:
        case State::awaiting_loaded:
        case State::verifying:
            cancel_asked_ = true;
            return CancelAnswer::accepted;
        case State::deciding:
        case State::withdrawing:
        case State::committed:
        case State::given_up:
            return CancelAnswer::too_late;
        case State::unknown:
            return CancelAnswer::in_doubt;
        case State::resumed:
        case State::released:
            return CancelAnswer::not_running;
    }
    return CancelAnswer::not_running;
}

bool SourceOwnership::final() const noexcept {
    return state_ == State::given_up || state_ == State::resumed || state_ == State::released;
}

bool SourceOwnership::in_doubt() const noexcept {
    return state_ == State::committed || state_ == State::unknown || state_ == State::released;
}

}  // namespace multifd
