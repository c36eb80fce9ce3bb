#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "engine/ownership/decision.hpp"
#include "engine/ownership/destination_ownership.hpp"
#include "engine/ownership/source_ownership.hpp"

namespace multifd {
namespace {

/// The names of every value from 0 to `last`.
template <class Enum>
std::set<std::string> names_up_to(Enum last) {
    std::set<std::string> names;
    for (int value = 0; value <= static_cast<int>(last); ++value) {
        names.emplace(to_string(static_cast<Enum>(value)));
    }
    return names;
}

}  // namespace

TEST_CASE("every state, event and action has a name of its own", "[ownership]") {
    const auto count = [](auto last) { return static_cast<std::size_t>(last) + 1; };
    const auto check = [&](auto last) {
        const auto names = names_up_to(last);
        CHECK(names.size() == count(last));
        CHECK_FALSE(names.contains(""));
    };
    check(SourceState::released);
    check(SourceEvent::release);
    check(SourceAction::report_unknown_owner);
    check(DestinationState::released);
    check(DestinationEvent::release);
    check(DestinationAction::report_unknown_owner);
    check(Decision::clean);
}

TEST_CASE("names say what their values are", "[ownership]") {
    CHECK(to_string(SourceState::given_up) == "given-up");
    CHECK(to_string(SourceEvent::clean_end) == "clean_end");
    CHECK(to_string(SourceAction::close_main) == "close_main");
    CHECK(to_string(DestinationState::running_partly) == "running-partly");
    CHECK(to_string(DestinationEvent::abort_received) == "abort_received");
    CHECK(to_string(DestinationAction::clean_devices) == "clean_devices");
    CHECK(to_string(Decision::commit_decided) == "commit-decided");
    CHECK(decision_of_name("given-up") == Decision::given_up);
    CHECK_FALSE(decision_of_name("given_up"));
}

}  // namespace multifd
