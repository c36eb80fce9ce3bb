#include "engine/ownership/source_ownership.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <vector>

#include "engine/ownership/ownership.hpp"

namespace Catch {
template <>
struct StringMaker<multifd::SourceActions> {
    static std::string convert(const multifd::SourceActions& actions) {
        std::string text;
        for (const auto action : actions) text.append(to_string(action)).append(" ");
        return "{" + text + "}";
    }
};
template <>
struct StringMaker<multifd::SourceState> {
    static std::string convert(multifd::SourceState state) { return std::string(to_string(state)); }
};
}  // namespace Catch

namespace multifd {
namespace {

using Action = SourceAction;
using Event = SourceEvent;
using State = SourceState;

SourceOwnership after(Peer peer, std::initializer_list<Event> events) {
    SourceOwnership source(peer);
    for (const Event event : events) source.on(event);
    return source;
}

SourceOwnership verifying() {
    return after(Peer::multifd, {Event::everything_sent, Event::loaded_received});
}
SourceOwnership deciding() {
    auto source = verifying();
    source.on(Event::verified_ok);
    return source;
}
SourceOwnership committed() {
    auto source = deciding();
    source.on(Event::record_written);
    return source;
}

const SourceActions kAborts{Action::send_abort, Action::resume_devices, Action::report_failed,
                            Action::record_resumed};
const SourceActions kCloses{Action::close_main, Action::resume_devices, Action::report_failed,
                            Action::record_resumed};
const SourceActions kResumes{Action::resume_devices, Action::report_failed, Action::record_resumed};
const SourceActions kDoubts{Action::keep_stopped, Action::report_unknown_owner};

/// Every state that any order of events, asked cancels among them, leads to.
std::set<SourceOwnership> reachable(Peer peer) {
    std::set<SourceOwnership> seen{SourceOwnership(peer)};
    std::vector<SourceOwnership> open(seen.begin(), seen.end());
    while (!open.empty()) {
        const SourceOwnership from = open.back();
        open.pop_back();
        for (int event = 0; event <= static_cast<int>(Event::release) + 1; ++event) {
            SourceOwnership next = from;
            if (event > static_cast<int>(Event::release)) {
                next.ask_cancel();
            } else {
                next.on(static_cast<Event>(event));
            }
            if (seen.insert(next).second) open.push_back(next);
        }
    }
    return seen;
}

}  // namespace

TEST_CASE("a source commits in the order record, Commit, Running", "[ownership]") {
    SourceOwnership source(Peer::multifd);
    CHECK(source.on(Event::everything_sent).empty());
    CHECK(source.on(Event::loaded_received) == SourceActions{Action::verify});
    CHECK(source.on(Event::verified_ok) == SourceActions{Action::record_commit_decided});
    CHECK_FALSE(source.in_doubt());
    CHECK(source.on(Event::record_written) == SourceActions{Action::send_commit});
    CHECK(source.in_doubt());
    CHECK(source.on(Event::running_received) ==
          SourceActions{Action::keep_stopped, Action::report_completed, Action::record_given_up});
    CHECK(source.final());
}

TEST_CASE("any failure before the decision gives the devices back", "[ownership]") {
    const auto event =
        GENERATE(Event::local_failure, Event::cancel_requested, Event::peer_cancel_requested,
                 Event::deadline_passed, Event::verification_failed, Event::running_received,
                 Event::refused_received);
    auto sources = std::vector{SourceOwnership(Peer::multifd),
                               after(Peer::multifd, {Event::everything_sent}), verifying()};
    for (SourceOwnership& source : sources) {
        INFO(to_string(event) << " in " << to_string(source.state()));
        CHECK(source.on(event) == kAborts);
        CHECK(source.state() == State::resumed);
    }
}

TEST_CASE("Abort is not put inside a record, nor into a channel that has ended", "[ownership]") {
    SourceOwnership inside(Peer::multifd);
    CHECK(inside.on(Event::cancel_requested, MainChannelPosition::inside_record) == kCloses);
    CHECK(verifying().on(Event::main_channel_ended) == kResumes);
}

TEST_CASE("a record that cannot be written ends in Abort and resumed devices", "[ownership]") {
    CHECK(deciding().on(Event::record_failed) == kAborts);
    CHECK(deciding().on(Event::deadline_passed) == kAborts);
}

TEST_CASE("a decision that was never sent is withdrawn on record before the source resumes",
          "[ownership]") {
    auto source = deciding();
    CHECK(source.on(Event::main_channel_ended).empty());
    CHECK(source.on(Event::record_written) == SourceActions{Action::record_resumed});
    SECTION("written") {
        CHECK(source.on(Event::record_written) ==
              SourceActions{Action::resume_devices, Action::report_failed});
        CHECK(source.state() == State::resumed);
    }
    SECTION("not written: the durable record still promises the devices away") {
        CHECK(source.on(Event::record_failed) == kDoubts);
        CHECK(source.state() == State::unknown);
    }
}

TEST_CASE("after Commit only Running or Refused end the doubt", "[ownership]") {
    const auto event = GENERATE(Event::main_channel_ended, Event::deadline_passed,
                                Event::local_failure, Event::loaded_received);
    auto source = committed();
    INFO(to_string(event));
    CHECK(source.on(event) == kDoubts);
    CHECK(source.on(event).empty());
    CHECK(source.on(Event::cancel_requested).empty());
    CHECK(source.ask_cancel() == CancelAnswer::in_doubt);
    SECTION("Running") {
        CHECK(source.on(Event::running_received).contains(Action::report_completed));
        CHECK(source.state() == State::given_up);
    }
    SECTION("Refused") {
        CHECK(source.on(Event::refused_received) == kResumes);
        CHECK(source.state() == State::resumed);
    }
    SECTION("the operator lets go") {
        CHECK(source.on(Event::release) == SourceActions{Action::keep_stopped});
        CHECK(source.final());
        CHECK(source.in_doubt());
    }
}

TEST_CASE("nobody lets go of a source whose answer can still come", "[ownership]") {
    auto source = committed();
    CHECK(source.on(Event::release).empty());
    CHECK(source.state() == State::committed);
}

TEST_CASE("an accepted cancel binds the source, a late one is told so", "[ownership]") {
    auto source = verifying();
    CHECK(source.ask_cancel() == CancelAnswer::accepted);
    CHECK(source.on(Event::verified_ok) == kAborts);
    CHECK(source.ask_cancel() == CancelAnswer::not_running);
    SourceOwnership owning(Peer::multifd);
    CHECK(owning.ask_cancel() == CancelAnswer::accepted);
    CHECK(owning.on(Event::everything_sent) == kAborts);
    auto awaiting = after(Peer::multifd, {Event::everything_sent});
    CHECK(awaiting.ask_cancel() == CancelAnswer::accepted);
    CHECK(awaiting.on(Event::loaded_received) == kAborts);
    CHECK(deciding().ask_cancel() == CancelAnswer::too_late);
    CHECK(committed().ask_cancel() == CancelAnswer::too_late);
}

TEST_CASE("towards QEMU the stream's EOF is the commit", "[ownership]") {
    SourceOwnership source(Peer::qemu);
    CHECK(source.on(Event::everything_sent) == SourceActions{Action::record_commit_decided});
    CHECK(source.on(Event::record_written) == SourceActions{Action::send_eof});
    SECTION("SHUT 0, or a clean end where there is no return path, completes") {
        const auto event = GENERATE(Event::running_received, Event::clean_end);
        CHECK(source.on(event).contains(Action::report_completed));
    }
    SECTION("any error after EOF leaves the owner unknown") {
        const auto event = GENERATE(Event::refused_received, Event::main_channel_ended,
                                    Event::local_failure, Event::deadline_passed);
        CHECK(source.on(event) == kDoubts);
    }
}

TEST_CASE("towards QEMU a failure before EOF closes, since QEMU knows no Abort", "[ownership]") {
    SourceOwnership source(Peer::qemu);
    CHECK(source.on(Event::local_failure) == kCloses);
}

TEST_CASE("whatever the order of events, a source that has committed never resumes unasked",
          "[ownership]") {
    const Peer peer = GENERATE(Peer::multifd, Peer::qemu);
    const auto all = reachable(peer);
    CHECK(all.size() > 8);
    for (SourceOwnership from : all) {
        for (int value = 0; value <= static_cast<int>(Event::release); ++value) {
            const auto event = static_cast<Event>(value);
            SourceOwnership next = from;
            const SourceActions actions = next.on(event);
            INFO(to_string(from.state()) << " + " << to_string(event));
            if (from.final()) CHECK(actions.empty());
            if (actions.contains(Action::resume_devices)) {
                CHECK((!from.in_doubt() ||
                       (event == Event::refused_received && peer == Peer::multifd)));
                CHECK(owner_of(next.state()) == Owner::source);
            }
            const bool commits =
                actions.contains(Action::send_commit) || actions.contains(Action::send_eof);
            CHECK((!commits || event == Event::record_written));
            CHECK(next.in_doubt() == (owner_of(next.state()) == Owner::unknown));
        }
    }
}

}  // namespace multifd
