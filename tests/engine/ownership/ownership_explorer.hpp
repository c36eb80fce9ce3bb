// OwnershipExplorer: walks through every state that an OwnershipWorld can reach.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/ownership/ownership_world.hpp"

namespace multifd::model {

/// What was found. `violation` is empty when every promise held in every state.
struct Exploration {
    std::size_t states = 0;
    std::size_t dead_pairs = 0;  ///< States in which both ends are dead.
    bool unknown_pair_ran =
        false;  ///< commit-decided and starting, and the destination had run ...
    bool unknown_pair_did_not_run = false;  ///< ... or had not.
    bool completed = false;
    bool ended_in_pre_copy = false;       ///< A source did, with its devices running.
    std::set<SourceState> source_states;  ///< Those that were reached.
    std::set<DestinationState> destination_states;
    std::string violation;
    std::string trace;  ///< The steps that lead to it.
};

/// Breadth first, so that a violation's trace is a shortest one.
template <class Source, class Destination>
class Explorer {
  public:
    using State = World<Source, Destination>;

    Exploration run() {
        const auto first = visited_.emplace(State{}, Origin{}).first;
        frontier_.push_back(&*first);
        for (std::size_t next = 0; next < frontier_.size() && result_.violation.empty(); ++next) {
            expand(*frontier_[next]);
        }
        result_.states = visited_.size();
        return std::move(result_);
    }

  private:
    struct Origin {
        const void* parent = nullptr;  ///< A Visit; the map's nodes do not move.
        const char* step = "start";
    };
    using Visit = std::pair<const State, Origin>;

    void expand(const Visit& visit) {
        current_ = &visit;
        progress_ = false;
        const State& state = visit.first;
        source_steps(state);
        source_writes(state);
        destination_steps(state);
        destination_writes(state);
        const bool could_go_on = progress_;
        source_faults(state);
        destination_faults(state);
        shared_faults(state);
        judge(state, could_go_on);
    }

    template <class Change>
    void fault(const char* name, Change change) {
        State next = current_->first;
        change(next);
        next.check_records();
        const auto [place, added] = visited_.emplace(std::move(next), Origin{current_, name});
        if (added) frontier_.push_back(&*place);
        if (place->first.violation != nullptr) report(place->first.violation, *place);
    }

    /// A step that happens by itself, as long as its end lives.
    template <class Change>
    void step(const char* name, Change change) {
        progress_ = true;
        fault(name, change);
    }

    void source_steps(const State& s) {
        if (!s.source.alive) return;
        if (!s.source.pending.empty() && !s.source.writing) {
            step("source: next action", [](State& w) { w.act_source(); });
        }
        if (!s.source.may_raise()) return;
        if (!s.switched_over && !s.source.machine.final()) {
            step("source: switches over", [](State& w) { w.switch_over(); });
        }
        if (s.switched_over && !s.everything_raised) {
            step("source: everything_sent", [](State& w) {
                w.everything_raised = true;
                w.raise(SourceEvent::everything_sent);
                w.everything_leaving = w.source.machine.state() == SourceState::awaiting_loaded;
            });
        }
        if (s.everything_leaving) {
            step("source: the last byte leaves", [](State& w) {
                w.everything_leaving = false;
                if (!w.source.machine.final()) w.send(ToDestination::everything);
            });
        }
        if (!s.to_source.empty() && !s.source.end_seen) {
            step("source: receives", [](State& w) { w.receive_at_source(); });
        }
        if (s.broken && !s.source.end_seen) {
            step("source: main_channel_ended", [](State& w) {
                w.source.end_seen = true;
                w.to_source.clear();
                w.raise(SourceEvent::main_channel_ended);
            });
        }
        if (s.cancel_request_under_way) {
            step("source: peer_cancel_requested", [](State& w) {
                w.cancel_request_under_way = false;
                w.raise(SourceEvent::peer_cancel_requested);
            });
        }
        if (s.source.cancel_waiting) {
            for_each_position(s, [this](MainChannelPosition position) {
                step("source: cancel_requested", [position](State& w) {
                    w.source.cancel_waiting = false;
                    w.raise(SourceEvent::cancel_requested, position);
                });
            });
        }
        if (s.verifying) {
            step("source: verified_ok", [](State& w) {
                w.verifying = false;
                w.raise(SourceEvent::verified_ok);
            });
        }
        if (s.source.machine.final() && !s.source.writing && !s.broken) {
            step("source: closes", [](State& w) { w.broken = true; });
        }
    }

    // While the last bytes leave, the sender may stand inside a record.
    template <class Use>
    void for_each_position(const State& s, Use use) {
        use(MainChannelPosition::between_records);
        if (s.everything_leaving || !s.everything_raised) use(MainChannelPosition::inside_record);
    }

    void source_faults(const State& s) {
        if (!s.source.alive) return;
        if (!s.source.cancel_accepted) {
            fault("source: ask_cancel", [](State& w) {
                const bool accepted = w.source.machine.ask_cancel() == CancelAnswer::accepted;
                w.source.cancel_waiting = w.source.cancel_accepted = accepted;
            });
        }
        if (s.verifying && s.source.may_raise()) {
            fault("source: verification_failed", [](State& w) {
                w.verifying = false;
                w.raise(SourceEvent::verification_failed);
            });
        }
        if (s.source.may_raise()) {
            for_each_position(s, [this](MainChannelPosition position) {
                fault("source: local_failure",
                      [position](State& w) { w.raise(SourceEvent::local_failure, position); });
                fault("source: deadline_passed",
                      [position](State& w) { w.source_deadline(position); });
            });
            fault("source: release", [](State& w) { w.raise(SourceEvent::release); });
        }
        for (const bool landed : {false, true}) {
            fault("source: dies", [landed](State& w) { w.source_dies(landed); });
        }
    }

    void destination_steps(const State& s) {
        if (!s.destination.alive) return;
        if (!s.destination.pending.empty() && !s.destination.writing) {
            step("destination: next action (a start succeeds)",
                 [](State& w) { w.act_destination(Start::started_all); });
        }
        if (!s.destination.may_raise()) return;
        if (!s.to_destination.empty() && !s.destination.end_seen) {
            step("destination: receives", [](State& w) { w.receive_at_destination(); });
        }
        if (s.broken && !s.destination.end_seen) {
            step("destination: main_channel_ended", [](State& w) {
                w.destination.end_seen = true;
                w.to_destination.clear();
                w.raise(DestinationEvent::main_channel_ended);
            });
        }
        if (s.destination.cancel_waiting) {
            step("destination: cancel_requested", [](State& w) {
                w.destination.cancel_waiting = false;
                w.raise(DestinationEvent::cancel_requested);
            });
        }
        if (s.loading) {
            step("destination: all_loaded", [](State& w) {
                w.loading = false;
                w.raise(DestinationEvent::all_loaded);
            });
        }
        if (s.start != Start::none) {
            step("destination: the start's outcome", [](State& w) { w.start_outcome(); });
        }
        if (s.destination.machine.final() && !s.destination.writing && !s.broken) {
            step("destination: closes", [](State& w) { w.broken = true; });
        }
    }

    void destination_faults(const State& s) {
        if (!s.destination.alive) return;
        if (!s.destination.cancel_accepted) {
            fault("destination: ask_cancel", [](State& w) {
                const CancelAnswer answer = w.destination.machine.ask_cancel();
                w.destination.cancel_accepted = answer == CancelAnswer::accepted;
                w.destination.cancel_waiting = w.destination.cancel_waiting ||
                                               answer == CancelAnswer::accepted ||
                                               answer == CancelAnswer::requested;
            });
        }
        if (!s.destination.pending.empty() && !s.destination.writing) {
            fault("destination: next action (no device starts)",
                  [](State& w) { w.act_destination(Start::started_none); });
            fault("destination: next action (some devices start)",
                  [](State& w) { w.act_destination(Start::started_some); });
        }
        if (s.destination.may_raise()) {
            fault("destination: load_failed", [](State& w) {
                w.loading = false;
                w.raise(DestinationEvent::load_failed);
            });
            fault("destination: deadline_passed", [](State& w) { w.destination_deadline(); });
            fault("destination: release", [](State& w) { w.raise(DestinationEvent::release); });
        }
        for (const bool landed : {false, true}) {
            fault("destination: dies", [landed](State& w) { w.destination_dies(landed); });
        }
    }

    void source_writes(const State& s) {
        if (!s.source.alive) return;
        if (s.source.writing) {
            step("source: record written", [](State& w) { w.source_wrote(WriteOutcome::durable); });
            fault("source: record failed", [](State& w) { w.source_wrote(WriteOutcome::failed); });
            fault("source: record failed, yet is there",
                  [](State& w) { w.source_wrote(WriteOutcome::failed_but_new); });
        }
        if (s.source.late_write && s.source.may_raise()) {
            fault("source: the late record lands", [](State& w) {
                w.source.record = *std::exchange(w.source.late_write, std::nullopt);
                w.raise(SourceEvent::record_written);
            });
        }
    }

    void destination_writes(const State& s) {
        if (!s.destination.alive) return;
        if (s.destination.writing) {
            step("destination: record written",
                 [](State& w) { w.destination_wrote(WriteOutcome::durable); });
            fault("destination: record failed",
                  [](State& w) { w.destination_wrote(WriteOutcome::failed); });
            fault("destination: record failed, yet is there",
                  [](State& w) { w.destination_wrote(WriteOutcome::failed_but_new); });
        }
        if (s.destination.late_write && s.destination.may_raise()) {
            fault("destination: the late record lands", [](State& w) {
                w.destination.record = *std::exchange(w.destination.late_write, std::nullopt);
                w.raise(DestinationEvent::record_written);
            });
        }
    }

    void shared_faults(const State& s) {
        if (!s.broken) fault("the connection breaks", [](State& w) { w.broken = true; });
        if (s.cancel_request_under_way) {
            fault("the cancel request is lost",
                  [](State& w) { w.cancel_request_under_way = false; });
        }
    }

    void judge(const State& s, bool could_go_on) {
        const bool source_done = !s.source.alive || s.source.machine.final() ||
                                 s.source.machine.state() == SourceState::unknown;
        const bool destination_done = !s.destination.alive || s.destination.machine.final() ||
                                      s.destination.machine.in_doubt();
        if (!could_go_on && (!source_done || !destination_done)) {
            report("a live end ends, or is visibly in doubt", *current_);
        }
        const bool settled = s.source.alive && s.source.machine.final() && s.source.may_raise();
        // A decision that could neither be carried out nor taken back on record leaves a doubt.
        const bool in_doubt = s.source.machine.state() == SourceState::released;
        if (settled && !s.commit_sent && !in_doubt && !s.source_runs) {
            report("a source that has not committed runs in the end, or is in doubt", *current_);
        }
        result_.ended_in_pre_copy = result_.ended_in_pre_copy || (settled && !s.switched_over);
        result_.source_states.insert(s.source.machine.state());
        result_.destination_states.insert(s.destination.machine.state());
        result_.completed =
            result_.completed || (s.source.alive && s.destination.alive &&
                                  s.source.machine.state() == SourceState::given_up &&
                                  s.destination.machine.state() == DestinationState::running);
        if (s.source.alive || s.destination.alive) return;
        ++result_.dead_pairs;
        if (recorded_owner(s.source.record, s.destination.record) != Owner::unknown) return;
        (s.destination_ran ? result_.unknown_pair_ran : result_.unknown_pair_did_not_run) = true;
    }

    void report(const char* violation, const Visit& place) {
        if (!result_.violation.empty()) return;
        result_.violation = violation;
        for (const auto* visit = &place; visit != nullptr;
             visit = static_cast<const Visit*>(visit->second.parent)) {
            result_.trace = std::string("  ") + visit->second.step + "\n" + result_.trace;
        }
    }

    std::map<State, Origin> visited_;
    std::vector<const Visit*> frontier_;
    const Visit* current_ = nullptr;
    bool progress_ = false;
    Exploration result_;
};

}  // namespace multifd::model
