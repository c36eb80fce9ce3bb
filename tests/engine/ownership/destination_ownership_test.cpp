#include "engine/ownership/destination_ownership.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <vector>

#include "engine/ownership/ownership.hpp"

namespace Catch {
template <>
struct StringMaker<multifd::DestinationActions> {
    static std::string convert(const multifd::DestinationActions& actions) {
        std::string text;
        for (const auto action : actions) text.append(to_string(action)).append(" ");
        return "{" + text + "}";
    }
};
template <>
struct StringMaker<multifd::DestinationState> {
    static std::string convert(multifd::DestinationState state) {
        return std::string(to_string(state));
    }
};
}  // namespace Catch

namespace multifd {
namespace {

using Action = DestinationAction;
using Event = DestinationEvent;
using State = DestinationState;

DestinationOwnership after(Peer peer, std::initializer_list<Event> events) {
    DestinationOwnership destination(peer);
    for (const Event event : events) destination.on(event);
    return destination;
}

DestinationOwnership recording_loaded() {
    return after(Peer::multifd, {Event::all_loaded});
}
DestinationOwnership loaded() {
    return after(Peer::multifd, {Event::all_loaded, Event::record_written});
}
DestinationOwnership recording_commit() {
    auto destination = loaded();
    destination.on(Event::commit_received);
    return destination;
}
DestinationOwnership starting() {
    auto destination = recording_commit();
    destination.on(Event::record_written);
    return destination;
}

const DestinationActions kCleans{Action::clean_devices, Action::report_failed,
                                 Action::record_clean};
const DestinationActions kRefuses{Action::send_refused, Action::clean_devices,
                                  Action::report_failed, Action::record_refused};
const DestinationActions kDoubts{Action::keep_stopped, Action::report_unknown_owner};

/// Every state that any order of events, asked cancels among them, leads to.
std::set<DestinationOwnership> reachable(Peer peer) {
    std::set<DestinationOwnership> seen{DestinationOwnership(peer)};
    std::vector<DestinationOwnership> open(seen.begin(), seen.end());
    while (!open.empty()) {
        const DestinationOwnership from = open.back();
        open.pop_back();
        for (int event = 0; event <= static_cast<int>(Event::release) + 1; ++event) {
            DestinationOwnership next = from;
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

TEST_CASE("a destination records before Loaded and before it starts", "[ownership]") {
    DestinationOwnership destination(Peer::multifd);
    CHECK(destination.on(Event::all_loaded) == DestinationActions{Action::record_loaded});
    CHECK_FALSE(destination.in_doubt());
    CHECK(destination.on(Event::record_written) == DestinationActions{Action::send_loaded});
    CHECK(destination.in_doubt());
    CHECK(destination.on(Event::commit_received) == DestinationActions{Action::record_starting});
    CHECK(destination.on(Event::record_written) == DestinationActions{Action::start_devices});
    CHECK(destination.on(Event::start_succeeded) == DestinationActions{Action::send_running,
                                                                       Action::report_completed,
                                                                       Action::record_running});
    CHECK(destination.final());
}

TEST_CASE("any end before Loaded leaves the devices clean", "[ownership]") {
    const auto event = GENERATE(Event::load_failed, Event::cancel_requested, Event::abort_received,
                                Event::main_channel_ended, Event::deadline_passed);
    for (DestinationOwnership destination :
         {DestinationOwnership(Peer::multifd), recording_loaded()}) {
        INFO(to_string(event) << " in " << to_string(destination.state()));
        CHECK(destination.on(event) == kCleans);
        CHECK(destination.state() == State::clean);
    }
}

TEST_CASE("Loaded is not said when its record cannot be written", "[ownership]") {
    CHECK(recording_loaded().on(Event::record_failed) == kCleans);
}

TEST_CASE("after Loaded only Abort means abort; any other end is doubt", "[ownership]") {
    CHECK(loaded().on(Event::abort_received) == kCleans);
    auto destination = loaded();
    CHECK(destination.on(Event::main_channel_ended) == kDoubts);
    CHECK(destination.on(Event::main_channel_ended).empty());
    CHECK(destination.ask_cancel() == CancelAnswer::in_doubt);
    SECTION("Commit that is learnt later runs") {
        CHECK(destination.on(Event::commit_received) ==
              DestinationActions{Action::record_starting});
    }
    SECTION("Abort that is learnt later cleans") {
        CHECK(destination.on(Event::abort_received) == kCleans);
    }
    SECTION("the operator lets go") {
        CHECK(destination.on(Event::release) == DestinationActions{Action::keep_stopped});
        CHECK(destination.final());
    }
}

TEST_CASE("a cancel after Loaded asks the source, once", "[ownership]") {
    auto destination = loaded();
    CHECK(destination.ask_cancel() == CancelAnswer::requested);
    CHECK(destination.on(Event::cancel_requested) ==
          DestinationActions{Action::request_cancel_from_source});
    CHECK(destination.on(Event::cancel_requested).empty());
    CHECK(destination.state() == State::loaded);
    CHECK(destination.on(Event::commit_received) == DestinationActions{Action::record_starting});
    CHECK(destination.ask_cancel() == CancelAnswer::too_late);
}

TEST_CASE("an accepted cancel binds the destination", "[ownership]") {
    DestinationOwnership loading(Peer::multifd);
    CHECK(loading.ask_cancel() == CancelAnswer::accepted);
    CHECK(loading.on(Event::all_loaded) == kCleans);
    auto recording = recording_loaded();
    CHECK(recording.ask_cancel() == CancelAnswer::accepted);
    CHECK(recording.on(Event::record_written) == kCleans);
    CHECK(recording.ask_cancel() == CancelAnswer::not_running);
}

TEST_CASE("after Commit the end of the connection changes nothing", "[ownership]") {
    auto destination = recording_commit();
    CHECK(destination.on(Event::main_channel_ended).empty());
    CHECK(destination.on(Event::record_written) == DestinationActions{Action::start_devices});
    CHECK(destination.on(Event::main_channel_ended).empty());
    CHECK(destination.on(Event::start_succeeded).contains(Action::report_completed));
}

TEST_CASE("what could not start at all is refused, what started in part is owned", "[ownership]") {
    CHECK(recording_commit().on(Event::record_failed) == kRefuses);
    CHECK(recording_commit().on(Event::deadline_passed) == kRefuses);
    CHECK(starting().on(Event::start_failed_none_started) == kRefuses);
    const auto event = GENERATE(Event::start_failed_some_started, Event::deadline_passed);
    auto destination = starting();
    CHECK(destination.on(event) ==
          DestinationActions{Action::send_running, Action::report_failed, Action::record_running});
    CHECK(owner_of(destination.state()) == Owner::destination);
}

TEST_CASE("a Commit that comes before Loaded is refused, never obeyed", "[ownership]") {
    CHECK(DestinationOwnership(Peer::multifd).on(Event::commit_received) == kRefuses);
    CHECK(recording_loaded().on(Event::commit_received) == kRefuses);
    auto clean = after(Peer::multifd, {Event::load_failed});
    CHECK(clean.on(Event::commit_received) == DestinationActions{Action::send_refused});
}

TEST_CASE("towards QEMU the destination runs when all is loaded, then sends SHUT", "[ownership]") {
    DestinationOwnership destination(Peer::qemu);
    CHECK(destination.on(Event::all_loaded) == DestinationActions{Action::record_starting});
    CHECK(destination.on(Event::record_written) == DestinationActions{Action::start_devices});
    SECTION("started") {
        CHECK(destination.on(Event::start_succeeded) == DestinationActions{Action::send_shut,
                                                                           Action::report_completed,
                                                                           Action::record_running});
    }
    SECTION("not started") {
        CHECK(destination.on(Event::start_failed_none_started) ==
              DestinationActions{Action::send_shut_error, Action::clean_devices,
                                 Action::report_failed, Action::record_refused});
    }
}

TEST_CASE("towards QEMU a failed load is told by SHUT with an error", "[ownership]") {
    DestinationOwnership destination(Peer::qemu);
    CHECK(destination.on(Event::load_failed) ==
          DestinationActions{Action::send_shut_error, Action::clean_devices, Action::report_failed,
                             Action::record_clean});
}

TEST_CASE("whatever the order of events, doubt neither cleans nor starts", "[ownership]") {
    const Peer peer = GENERATE(Peer::multifd, Peer::qemu);
    const auto all = reachable(peer);
    CHECK(all.size() > 8);
    for (const DestinationOwnership& from : all) {
        for (int value = 0; value <= static_cast<int>(Event::release); ++value) {
            const auto event = static_cast<Event>(value);
            DestinationOwnership next = from;
            const DestinationActions actions = next.on(event);
            INFO(to_string(from.state()) << " + " << to_string(event));
            if (from.final()) CHECK((actions.empty() || event == Event::commit_received));
            if (from.in_doubt() && actions.contains(Action::clean_devices)) {
                CHECK(event == Event::abort_received);
            }
            if (actions.contains(Action::start_devices)) {
                CHECK(from.state() == State::recording_commit);
                CHECK(event == Event::record_written);
            }
            CHECK(next.in_doubt() == (owner_of(next.state()) == Owner::unknown));
        }
    }
}

}  // namespace multifd
