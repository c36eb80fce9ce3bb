// OwnershipWorld: both ownership machines, the connection between them, their devices and their
// records, as one value that a model checker can step through.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "engine/ownership/ownership.hpp"

namespace multifd::model {

/// A first-in, first-out list without heap, comparable by its content.
template <class T, std::size_t kSizeMax>
class Fifo {
  public:
    void push(T value) {
        MULTIFD_ASSERT(size_ < kSizeMax);
        values_.at(size_) = value;
        ++size_;
    }
    T pop() {
        MULTIFD_ASSERT(size_ > 0);
        const T first = values_[0];
        for (std::size_t i = 1; i < size_; ++i) values_.at(i - 1) = values_.at(i);
        --size_;
        values_.at(size_) = T{};
        return first;
    }
    void clear() { *this = {}; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    auto operator<=>(const Fifo&) const = default;

  private:
    std::array<T, kSizeMax> values_{};
    std::uint8_t size_ = 0;
};

enum class ToDestination : std::uint8_t { everything, commit, abort };
enum class ToSource : std::uint8_t { loaded, running, refused };
enum class WriteOutcome { durable, failed, failed_but_new };

/// What both ends have, whichever they are: a process that does actions and writes one file.
template <class Machine, class Action>
struct End {
    explicit End(Machine initial) : machine(initial) {}

    Machine machine;
    Fifo<Action, 12> pending;            ///< Actions not yet done, in order.
    std::optional<Decision> writing;     ///< A write that the next action waits for.
    std::optional<Decision> late_write;  ///< One whose deadline passed; it may still land.
    Decision record = Decision::started;
    bool alive = true;
    bool end_seen = false;  ///< main_channel_ended has been raised.
    bool cancel_waiting =
        false;  ///< ask_cancel() said yes; cancel_requested is still to be raised.
    bool cancel_accepted = false;

    auto operator<=>(const End&) const = default;

    template <class Actions>
    void take(const Actions& actions) {
        for (const auto action : actions) pending.push(action);
    }
    /// Whether the end is told that its write is durable.
    bool wrote(WriteOutcome outcome) {
        const Decision decision = *std::exchange(writing, std::nullopt);
        if (outcome != WriteOutcome::failed) record = decision;
        return outcome == WriteOutcome::durable;
    }
    /// After a deadline that the machine acted on: it goes on without the write.
    void leave_write_behind() {
        if (!writing || pending.empty()) return;
        MULTIFD_ASSERT(!late_write);
        late_write = std::exchange(writing, std::nullopt);
    }
    /// Only the record stays.
    void die(bool write_landed, Machine fresh) {
        if (write_landed && late_write) record = *late_write;
        if (write_landed && writing) record = *writing;
        const Decision last = record;
        *this = End(fresh);
        record = last;
        alive = false;
    }
    /// Nothing but its machine stands between two events.
    [[nodiscard]] bool may_raise() const { return alive && pending.empty(); }
};

enum class Start : std::uint8_t { none, started_all, started_none, started_some };

/// One moment of a migration, from pre-copy on. `Source` and `Destination` are the
/// production machines, or adapters with a planted mistake.
template <class Source, class Destination>
struct World {
    End<Source, SourceAction> source{Source(Peer::multifd)};
    End<Destination, DestinationAction> destination{Destination(Peer::multifd)};

    // The connection. After a break what is under way may still arrive, up to any prefix.
    Fifo<ToDestination, 4> to_destination;
    Fifo<ToSource, 4> to_source;
    bool cancel_request_under_way = false;  ///< On the control connection, so in no order.
    bool broken = false;

    // Work under way.
    bool switched_over = false;  ///< Until then all is pre-copy.
    bool everything_raised = false;
    bool everything_leaving = false;  ///< everything_sent was raised, its last byte has not left.
    bool verifying = false;
    bool loading = false;
    Start start = Start::none;

    // What has happened; the machines do not see these.
    bool source_runs = true;  ///< Its devices do, in pre-copy or resumed.
    bool source_resumed = false;
    bool destination_ran = false;
    bool loaded_sent = false;
    bool commit_sent = false;
    bool refused_seen = false;
    bool abort_seen = false;
    bool commit_seen = false;

    const char* violation = nullptr;

    auto operator<=>(const World&) const = default;

    void require(bool condition, const char* promise) {
        if (!condition && violation == nullptr) violation = promise;
    }

    void raise(SourceEvent event,
               MainChannelPosition position = MainChannelPosition::between_records) {
        source.take(source.machine.on(event, position));
        if (source.machine.final()) everything_leaving = false;
    }
    void raise(DestinationEvent event) { destination.take(destination.machine.on(event)); }

    void send(ToDestination message) {
        if (!broken) to_destination.push(message);
    }
    void send(ToSource message) {
        if (!broken) to_source.push(message);
    }

    /// The source stops its devices, and sends what is left.
    void switch_over() {
        switched_over = true;
        source_runs = false;
    }

    /// Does the source's next action.
    void act_source() {
        switch (source.pending.pop()) {
            case SourceAction::verify:
                verifying = true;
                return;
            case SourceAction::record_commit_decided:
                source.writing = Decision::commit_decided;
                return;
            case SourceAction::record_given_up:
                source.writing = Decision::given_up;
                return;
            case SourceAction::record_resumed:
                source.writing = Decision::resumed;
                return;
            case SourceAction::send_commit:
                require(source.record == Decision::commit_decided,
                        "Commit leaves only after the decision is on record");
                require(!source.cancel_accepted, "after an accepted cancel nothing is committed");
                commit_sent = true;
                send(ToDestination::commit);
                return;
            case SourceAction::send_abort:
                send(ToDestination::abort);
                return;
            case SourceAction::close_main:
                broken = true;
                return;
            case SourceAction::resume_devices:
                require(!destination_ran, "never two owners");
                require(!commit_sent || refused_seen, "a source in doubt never resumes");
                source_resumed = switched_over;
                source_runs = true;
                return;
            case SourceAction::report_completed:
                require(destination_ran, "completed means that the destination runs");
                return;
            case SourceAction::keep_stopped:
            case SourceAction::report_failed:
            case SourceAction::report_unknown_owner:
                return;
            case SourceAction::send_eof:
                require(false, "towards multifd EOF is no commit");
                return;
        }
    }

    /// Does the destination's next action. `how` is what becomes of a start.
    void act_destination(Start how) {
        switch (destination.pending.pop()) {
            case DestinationAction::record_loaded:
                destination.writing = Decision::loaded;
                return;
            case DestinationAction::record_starting:
                destination.writing = Decision::starting;
                return;
            case DestinationAction::record_running:
                destination.writing = Decision::running;
                return;
            case DestinationAction::record_refused:
                destination.writing = Decision::refused;
                return;
            case DestinationAction::record_clean:
                destination.writing = Decision::clean;
                return;
            case DestinationAction::send_loaded:
                loaded_sent = true;
                return send(ToSource::loaded);
            case DestinationAction::send_running:
                return send(ToSource::running);
            case DestinationAction::send_refused:
                require(!destination_ran, "refused means that no device was started");
                return send(ToSource::refused);
            case DestinationAction::start_devices:
                start = how;
                if (how == Start::started_none) return;
                require(!source_runs, "never two owners");
                require(source.record == Decision::commit_decided,
                        "the destination runs only what the source has given up on record");
                require(commit_seen, "the destination never runs before Commit");
                require(!destination.cancel_accepted, "after an accepted cancel nothing runs");
                destination_ran = true;
                return;
            case DestinationAction::clean_devices:
                require(!loaded_sent || abort_seen || commit_seen,
                        "a destination in doubt throws nothing away");
                require(!destination_ran, "what runs is not cleaned");
                return;
            case DestinationAction::request_cancel_from_source:
                if (!broken) cancel_request_under_way = true;
                return;
            case DestinationAction::keep_stopped:
            case DestinationAction::report_completed:
            case DestinationAction::report_failed:
            case DestinationAction::report_unknown_owner:
                return;
            case DestinationAction::send_shut:
            case DestinationAction::send_shut_error:
                require(false, "towards multifd there is no SHUT");
                return;
        }
    }

    void receive_at_source() {
        switch (to_source.pop()) {
            case ToSource::loaded:
                return raise(SourceEvent::loaded_received);
            case ToSource::running:
                return raise(SourceEvent::running_received);
            case ToSource::refused:
                refused_seen = true;
                return raise(SourceEvent::refused_received);
        }
    }

    void receive_at_destination() {
        switch (to_destination.pop()) {
            case ToDestination::everything:
                loading = true;
                return;
            case ToDestination::commit:
                commit_seen = true;
                return raise(DestinationEvent::commit_received);
            case ToDestination::abort:
                abort_seen = true;
                return raise(DestinationEvent::abort_received);
        }
    }

    void start_outcome() {
        switch (std::exchange(start, Start::none)) {
            case Start::started_all:
                return raise(DestinationEvent::start_succeeded);
            case Start::started_none:
                return raise(DestinationEvent::start_failed_none_started);
            case Start::started_some:
                return raise(DestinationEvent::start_failed_some_started);
            case Start::none:
                return;
        }
    }

    void source_wrote(WriteOutcome outcome) {
        raise(source.wrote(outcome) ? SourceEvent::record_written : SourceEvent::record_failed);
    }
    void destination_wrote(WriteOutcome outcome) {
        raise(destination.wrote(outcome) ? DestinationEvent::record_written
                                         : DestinationEvent::record_failed);
    }

    void source_deadline(MainChannelPosition position) {
        raise(SourceEvent::deadline_passed, position);
        source.leave_write_behind();
    }
    void destination_deadline() {
        // A start that hangs may happen at any later time.
        if (start != Start::none) destination_ran = true;
        raise(DestinationEvent::deadline_passed);
        destination.leave_write_behind();
    }

    void source_dies(bool write_landed) {
        source.die(write_landed, Source(Peer::multifd));
        source_runs = false;
        everything_leaving = verifying = cancel_request_under_way = false;
        to_source.clear();
        broken = true;
    }
    void destination_dies(bool write_landed) {
        destination.die(write_landed, Destination(Peer::multifd));
        loading = false;
        start = Start::none;
        to_destination.clear();
        broken = true;
    }

    /// What the files say, whenever an end that can no longer write is gone.
    void check_records() {
        const bool source_gone = !source.alive;
        const bool destination_gone = !destination.alive;
        if (source_gone) check_claim(recorded_owner(source.record, std::nullopt));
        if (destination_gone) check_claim(recorded_owner(std::nullopt, destination.record));
        if (!source_gone || !destination_gone) return;
        const Owner owner = recorded_owner(source.record, destination.record);
        check_claim(owner);
        require(owner != Owner::unknown || (source.record == Decision::commit_decided &&
                                            destination.record == Decision::starting),
                "the records of two dead ends answer wherever it can be known");
    }

    void check_claim(Owner owner) {
        if (owner == Owner::source) {
            require(!destination_ran, "a record that names the source is right");
        }
        if (owner == Owner::destination) {
            require(destination_ran && !source_resumed,
                    "a record that names the destination is right");
        }
    }
};

}  // namespace multifd::model
