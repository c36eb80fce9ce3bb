// Every interleaving of both ends of the commit, with every loss, death, failure and cancel.
#include <catch2/catch.hpp>
#include <iostream>

#include "tests/engine/ownership/ownership_explorer.hpp"

namespace multifd::model {
namespace {

/// A production machine with one planted mistake: `Twist` rewrites what on() gives.
template <class Machine, class Twist>
class Twisted : public Machine {
  public:
    using Machine::Machine;
    template <class Event, class... Position>
    auto on(Event event, Position... position) {
        const Machine before = *this;
        const auto actions = Machine::on(event, position...);
        return Twist::rewrite(before, event, actions, *this);
    }
    auto operator<=>(const Twisted&) const = default;
};

template <class Twist>
Exploration explore_source() {
    return Explorer<Twisted<SourceOwnership, Twist>, DestinationOwnership>().run();
}
template <class Twist>
Exploration explore_destination() {
    return Explorer<SourceOwnership, Twisted<DestinationOwnership, Twist>>().run();
}

struct ResumeAfterCommit {
    static SourceActions rewrite(const SourceOwnership& before, SourceEvent event,
                                 const SourceActions& actions, SourceOwnership&) {
        if (before.state() == SourceState::committed && event == SourceEvent::main_channel_ended) {
            return {SourceAction::resume_devices, SourceAction::report_failed};
        }
        return actions;
    }
};

struct ResumeAfterDeadlineInDoubt {
    static SourceActions rewrite(const SourceOwnership& before, SourceEvent event,
                                 const SourceActions& actions, SourceOwnership&) {
        if (before.state() == SourceState::committed && event == SourceEvent::deadline_passed) {
            return {SourceAction::resume_devices, SourceAction::report_failed};
        }
        return actions;
    }
};

struct CommitBeforeTheRecord {
    static SourceActions rewrite(const SourceOwnership&, SourceEvent, const SourceActions& actions,
                                 SourceOwnership&) {
        if (!actions.contains(SourceAction::record_commit_decided)) return actions;
        return {SourceAction::send_commit, SourceAction::record_commit_decided};
    }
};

struct CommitThoughTheRecordFailed {
    static SourceActions rewrite(const SourceOwnership& before, SourceEvent event,
                                 const SourceActions& actions, SourceOwnership& machine) {
        if (before.state() != SourceState::deciding || event != SourceEvent::record_failed) {
            return actions;
        }
        static_cast<SourceOwnership&>(machine) = before;
        return machine.SourceOwnership::on(SourceEvent::record_written);
    }
};

struct CleanAfterLoaded {
    static DestinationActions rewrite(const DestinationOwnership& before, DestinationEvent event,
                                      const DestinationActions& actions, DestinationOwnership&) {
        if (before.state() == DestinationState::loaded &&
            event == DestinationEvent::main_channel_ended) {
            return {DestinationAction::clean_devices, DestinationAction::report_failed};
        }
        return actions;
    }
};

struct RunBeforeCommit {
    static DestinationActions rewrite(const DestinationOwnership&, DestinationEvent,
                                      const DestinationActions& actions, DestinationOwnership&) {
        if (!actions.contains(DestinationAction::send_loaded)) return actions;
        return {DestinationAction::send_loaded, DestinationAction::start_devices};
    }
};

struct RunBeforeTheRecord {
    static DestinationActions rewrite(const DestinationOwnership&, DestinationEvent,
                                      const DestinationActions& actions,
                                      DestinationOwnership& machine) {
        if (!actions.contains(DestinationAction::record_starting)) return actions;
        return machine.DestinationOwnership::on(DestinationEvent::record_written);
    }
};

struct RefuseThoughSomeStarted {
    static DestinationActions rewrite(const DestinationOwnership& before, DestinationEvent event,
                                      const DestinationActions& actions,
                                      DestinationOwnership& machine) {
        if (event != DestinationEvent::start_failed_some_started ||
            before.state() != DestinationState::starting) {
            return actions;
        }
        static_cast<DestinationOwnership&>(machine) = before;
        return machine.DestinationOwnership::on(DestinationEvent::start_failed_none_started);
    }
};

struct SilentAfterCommit {
    static SourceActions rewrite(const SourceOwnership& before, SourceEvent event,
                                 const SourceActions& actions, SourceOwnership& machine) {
        if (before.state() != SourceState::committed || event != SourceEvent::main_channel_ended) {
            return actions;
        }
        static_cast<SourceOwnership&>(machine) = before;
        return {};
    }
};

struct StaysStoppedAfterAFailure {
    static SourceActions rewrite(const SourceOwnership&, SourceEvent event,
                                 const SourceActions& actions, SourceOwnership&) {
        SourceActions left;
        for (const auto action : actions) {
            const bool dropped =
                event == SourceEvent::local_failure && action == SourceAction::resume_devices;
            if (!dropped) left.add(action);
        }
        return left;
    }
};

/// Says accepted and forgets it.
class ForgetsCancel : public SourceOwnership {
  public:
    using SourceOwnership::SourceOwnership;
    CancelAnswer ask_cancel() noexcept {
        SourceOwnership copy = *this;
        return copy.ask_cancel();
    }
    auto operator<=>(const ForgetsCancel&) const = default;
};

}  // namespace

TEST_CASE("both ownership machines keep every promise in every interleaving", "[ownership]") {
    const Exploration found = Explorer<SourceOwnership, DestinationOwnership>().run();
    std::cout << "ownership model: " << found.states << " states, " << found.dead_pairs
              << " with both ends dead\n";
    INFO(found.trace);
    CHECK(found.violation == "");
    CHECK(found.completed);
    CHECK(found.ended_in_pre_copy);
    CHECK(found.states > 10'000);
    CHECK(found.dead_pairs > 50);
    CHECK(found.source_states.size() == static_cast<std::size_t>(SourceState::released) + 1);
    CHECK(found.destination_states.size() ==
          static_cast<std::size_t>(DestinationState::released) + 1);
    // The one pair of records that leaves the owner open does so rightly.
    CHECK(found.unknown_pair_ran);
    CHECK(found.unknown_pair_did_not_run);
}

TEST_CASE("a planted mistake makes the exploration fail", "[ownership]") {
    struct Case {
        const char* name;
        Exploration (*explore)();
        const char* violation;
    };
    const auto planted = GENERATE(values<Case>({
        {"the source resumes after Commit when the connection ends",
         explore_source<ResumeAfterCommit>, "a source in doubt never resumes"},
        {"the source resumes after Commit when nobody answers",
         explore_source<ResumeAfterDeadlineInDoubt>, "a source in doubt never resumes"},
        {"Commit leaves before its record is written", explore_source<CommitBeforeTheRecord>,
         "Commit leaves only after the decision is on record"},
        {"Commit leaves though its record failed", explore_source<CommitThoughTheRecordFailed>,
         "Commit leaves only after the decision is on record"},
        {"the source waits on when the connection has ended", explore_source<SilentAfterCommit>,
         "a live end ends, or is visibly in doubt"},
        {"the source stays stopped after a failure", explore_source<StaysStoppedAfterAFailure>,
         "a source that has not committed runs in the end, or is in doubt"},
        {"an accepted cancel is forgotten",
         [] { return Explorer<ForgetsCancel, DestinationOwnership>().run(); },
         "after an accepted cancel nothing is committed"},
        {"the destination cleans up after Loaded", explore_destination<CleanAfterLoaded>,
         "a destination in doubt throws nothing away"},
        {"the destination runs before Commit", explore_destination<RunBeforeCommit>,
         "the destination runs only what the source has given up on record"},
        {"the destination runs before its record", explore_destination<RunBeforeTheRecord>,
         "a record that names the source is right"},
        {"the destination refuses though a device runs",
         explore_destination<RefuseThoughSomeStarted>, "refused means that no device was started"},
    }));
    INFO(planted.name);
    const Exploration found = planted.explore();
    INFO(found.trace);
    CHECK(found.violation == planted.violation);
    CHECK_FALSE(found.trace.empty());
}

}  // namespace multifd::model
