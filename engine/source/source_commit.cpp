// The source at the end: verdict, commit, and whatever else ends a migration. The ownership machine
// decides; what it asks for is done here.
#include <algorithm>

#include "engine/ownership/ownership.hpp"
#include "engine/source/source_session.hpp"

namespace multifd {
namespace {

constexpr auto kAbortWait = std::chrono::milliseconds(300);
// How long a hello is waited for that is needed for nothing but to say that it comes too late. Well
// below the second within which a cancel reports.
constexpr auto kGreetingWait = std::chrono::milliseconds(500);

constexpr std::string_view kDescription = R"({"page_size": 4096, "devices": []})";

}  // namespace

void SourceSession::settle_ownership() {
    try {
        if (!failed()) {
            // From here on the destination may have everything. Towards QEMU that is the commit
            // itself, so there the machine says when EOF is sent.
            raise(SourceEvent::everything_sent);
            if (!qemu_) send_end_of_stream();
        }
        for (;;) {
            {
                const std::scoped_lock lock(ownership_mutex_);
                if (ownership_.final()) break;
            }
            raise(await_event());
        }
        if (!report_) conclude(Status::failed);
    } catch (...) {
        fail(failure_of(std::current_exception()));
    }
    if (!report_) report_.emplace().status = Status::failed;
}

// Where the main channel stands, once nobody writes to it any more; a writer that does not come
// back counts as inside a record.
MainChannelPosition SourceSession::main_position() {
    const bool ours = writer_ && (!failed() || await_quiet());
    return ours && writer_->between_records() ? MainChannelPosition::between_records
                                              : MainChannelPosition::inside_record;
}

void SourceSession::raise(SourceEvent event) {
    const auto position = main_position();
    SourceActions actions;
    {
        const std::scoped_lock lock(ownership_mutex_);
        actions = ownership_.on(event, position);
    }
    perform(actions);
}

// Each action is tried whatever became of the one before: devices must be resumed even when no
// Abort could be sent.
void SourceSession::perform(const SourceActions& actions) noexcept {
    for (const auto action : actions) {
        try {
            perform(action);
        } catch (...) {
            fail(failure_of(std::current_exception()));
        }
    }
}

void SourceSession::perform(SourceAction action) {
    switch (action) {
        case SourceAction::verify:
            return verify();
        case SourceAction::record_commit_decided:
            return record(Decision::commit_decided);
        case SourceAction::record_given_up:
            return record(Decision::given_up);
        case SourceAction::record_resumed:
            return record(Decision::resumed);
        case SourceAction::send_eof:
            return send_end_of_stream();
        case SourceAction::send_commit:
            return send_command(kCommandCommit, {});
        case SourceAction::send_abort:
            return send_abort();
        case SourceAction::close_main:
            return main_.shut_down();
        case SourceAction::resume_devices:
            return resume_devices();
        case SourceAction::keep_stopped:
            return keep_stopped();
        case SourceAction::report_completed:
            return conclude(Status::completed);
        case SourceAction::report_failed:
            return conclude(Status::failed);
        case SourceAction::report_unknown_owner:
            return conclude(Status::unknown_owner);
    }
}

void SourceSession::record(Decision decision) {
    const auto outcome = write_record(decision);
    if (outcome != RecordOutcome::written && decision == Decision::commit_decided) {
        fail({.code = Errc::record_failed, .detail = records_.problem()});
    }
    // What ended the migration while the record was being written comes first.
    const bool deciding = [this] {
        const std::scoped_lock lock(ownership_mutex_);
        return ownership_.state() == SourceState::deciding;
    }();
    if (deciding && outcome == RecordOutcome::written && failed()) raise(failure_event());
    switch (outcome) {
        case RecordOutcome::written:
            return raise(SourceEvent::record_written);
        case RecordOutcome::failed:
            return raise(SourceEvent::record_failed);
        case RecordOutcome::late:
            return raise(SourceEvent::deadline_passed);
    }
}

SourceEvent SourceSession::failure_event() const {
    {
        const std::scoped_lock lock(ownership_mutex_);
        const auto state = ownership_.state();
        // Past the decision a cancel has no meaning any more, whoever speaks of one.
        if (state != SourceState::owning && state != SourceState::awaiting_loaded &&
            state != SourceState::verifying) {
            return SourceEvent::local_failure;
        }
    }
    return was_cancelled() ? SourceEvent::cancel_requested : SourceEvent::local_failure;
}

// Everything that can end the waiting for the destination, the strongest first: what it said, then
// the end of the connection, then our own failure.
SourceEvent SourceSession::await_event() {
    SourceState state = SourceState::owning;
    {
        const std::scoped_lock lock(ownership_mutex_);
        state = ownership_.state();
    }
    const bool loaded_wanted = state == SourceState::awaiting_loaded;
    const bool owner_wanted = state == SourceState::committed || state == SourceState::unknown;
    const bool doubtful = state == SourceState::unknown;
    const auto arrived = [&](const ReturnPathMail& mail) {
        return (loaded_wanted && mail.loaded) || (owner_wanted && (mail.running || mail.shut)) ||
               mail.refused;
    };
    const auto ended_by = [&] {
        const std::scoped_lock lock(ownership_mutex_);
        return released_ || (failed() && !doubtful);
    };
    for (;;) {
        inbox_.wait(arrived, Clock::now() + common_.stall_timeout, ended_by);
        const auto mail = inbox_.mail();
        if (const auto verdict = owner_wanted ? verdict_of(mail, doubtful) : std::nullopt) {
            return *verdict;
        }
        if (mail.refused) return refused_by(*mail.refused);
        if (loaded_wanted && mail.loaded) return SourceEvent::loaded_received;
        {
            const std::scoped_lock lock(ownership_mutex_);
            if (released_) return SourceEvent::release;
        }
        if (doubtful) {
            if (common_.on_unknown_owner == OnUnknownOwner::exit) return SourceEvent::release;
            // What has ended, or was shut, has nothing more to say: the operator's word is left.
            if (mail.ended || mail.shut) inbox_.wait_for_will(ended_by);
            continue;
        }
        if (mail.ended) {
            fail_return_path(mail.error);
            return SourceEvent::main_channel_ended;
        }
        if (failed()) return failure_event();
    }
}

// Who owns the devices, once the commit has been sent. QEMU answers it with SHUT; its error counts
// once, and changes nothing for an end that is in doubt already.
std::optional<SourceEvent> SourceSession::verdict_of(const ReturnPathMail& mail, bool doubtful) {
    if (mail.running || (qemu_ && mail.shut && *mail.shut == 0)) {
        if (!running_at_) running_at_ = Clock::now();
        return SourceEvent::running_received;
    }
    if (!qemu_ || !mail.shut || doubtful) return std::nullopt;
    PeerError reason;
    reason.code = "shut";
    reason.message = "QEMU shut the return path with error " + std::to_string(*mail.shut);
    return refused_by(reason);
}

SourceEvent SourceSession::refused_by(const PeerError& reason) {
    auto failure = failure_of(reason);
    const bool committed = [this] {
        const std::scoped_lock lock(ownership_mutex_);
        return ownership_.in_doubt();
    }();
    if (committed) failure.code = Errc::commit_refused;
    fail(std::move(failure));
    return SourceEvent::refused_received;
}

void SourceSession::fail_return_path(const ErrorCode& error) {
    const bool broken = !error || error.category() != multifd_category();
    fail({.code = broken ? ErrorCode(Errc::peer_closed) : error,
          .detail = "the main channel to " + peer_ + " ended before the destination's verdict" +
                    (error ? ": " + error.message() : std::string())});
}

void SourceSession::send_end_of_stream() {
    writer_->records().eof();
    writer_->records().vmdescription(kDescription);
    if (!qemu_ && agreed_verify_) {
        std::vector<VerifyEntry> entries;
        for (const auto& slot : devices_) {
            entries.push_back(count(*slot));
            entries.back().device = slot->id.value;
        }
        for (const auto& body : encode_verify(entries))
            writer_->records().command(kCommandVerify, body);
    }
    if (const auto error = writer_->flush()) {
        fail_main(error, "sending the end of the stream");
        raise(failure_event());
    }
}

void SourceSession::send_command(std::uint16_t id, std::span<const std::byte> body) {
    writer_->records().command(id, body);
    // The decision stands: no failure elsewhere may tear the message that tells it.
    if (const auto error = writer_->flush_regardless(Clock::now() + common_.stall_timeout)) {
        fail_main(error, "sending Commit");
        raise(SourceEvent::local_failure);
    }
}

// A cancel right after the first question: the hello is on its way, and PONG is what comes last.
bool SourceSession::greeted_by_now() {
    const auto answered = [](const ReturnPathMail& mail) { return mail.ponged(kHelloPing); };
    inbox_.wait(answered, Clock::now() + kGreetingWait, [] { return false; });
    return inbox_.mail().hello.has_value();
}

void SourceSession::send_abort() {
    settle_cause();
    // Only an end that has said hello knows a command of ours.
    if (!hello_sent_ && !greeted_by_now()) return main_.shut_down();
    const auto failure = first_failure_.get();
    const auto body = failure ? encode(to_peer_error(*failure)) : std::vector<std::byte>{};
    writer_->records().command(kCommandAbort, body);
    (void)writer_->flush_regardless(Clock::now() + kAbortWait);
}

void SourceSession::verify() {
    loaded_at_ = Clock::now();
    const bool agreed = !agreed_verify_ || tables_agree();
    verified_at_ = Clock::now();
    const bool consented =
        agreed && ask_host("about_to_commit", [](Host& host, std::stop_token cancel) {
            return host.about_to_commit(cancel);
        });
    raise(consented ? SourceEvent::verified_ok : SourceEvent::verification_failed);
}

bool SourceSession::tables_agree() {
    const auto mail = inbox_.mail();
    for (const auto& slot : devices_) {
        const auto theirs =
            std::ranges::find(mail.loaded_table, slot->id.value, &VerifyEntry::device);
        if (theirs == mail.loaded_table.end()) {
            fail({.code = Errc::count_mismatch,
                  .detail = "the destination did not say what it loaded",
                  .device = slot->identity});
            return false;
        }
        const auto ours = count(*slot);
        if (!same_counts(ours, *theirs)) {
            fail({.code = Errc::count_mismatch,
                  .detail =
                      "sent " + in_words(ours) + ", the destination loaded " + in_words(*theirs),
                  .device = slot->identity});
            return false;
        }
        if (theirs->digest == slot->digest.value()) continue;
        fail({.code = Errc::digest_mismatch,
              .detail = "sent " + digest_text(slot->digest.value()) + ", the destination loaded " +
                        digest_text(theirs->digest),
              .device = slot->identity});
        return false;
    }
    return true;
}

void SourceSession::end_connections() noexcept {
    end_control();
    main_.shut_down();
    end_plane();
}

void SourceSession::end_plane() noexcept {
    if (!senders_) return;
    samples_.finish();
    if (failed()) senders_->abort();
    senders_->join();
}

}  // namespace multifd
