#include "engine/ownership/ownership.hpp"

#include <catch2/catch.hpp>
#include <optional>

#include "engine/ownership/session_record.hpp"

namespace multifd {
namespace {

bool one_line(const std::string& text) {
    return !text.empty() && text.find('\n') == std::string::npos;
}

bool says(const std::string& text, std::string_view words) {
    return text.find(words) != std::string::npos;
}

}  // namespace

TEST_CASE("each end says for whom it waits, from its first promise to its last", "[ownership]") {
    CHECK(awaited_in(SourceState::owning).empty());
    CHECK(awaited_in(SourceState::awaiting_loaded) == "the destination to load");
    CHECK(awaited_in(SourceState::committed) == "the destination to start");
    CHECK(awaited_in(SourceState::given_up).empty());
    CHECK(awaited_in(DestinationState::loading).empty());
    CHECK(awaited_in(DestinationState::loaded) == "the source to commit");
    CHECK(awaited_in(DestinationState::unknown) == "the owner to be known");
    CHECK(awaited_in(DestinationState::running).empty());
}

TEST_CASE("the source's report names the owner, the retry and the next step", "[ownership]") {
    struct Case {
        SourceState state;
        Owner owner;
        bool retry_safe;
        const char* words;
    };
    const auto expected = GENERATE(values<Case>({
        {SourceState::owning, Owner::source, true, "has not been told to run them"},
        {SourceState::resumed, Owner::source, true, "back in the state they had before"},
        {SourceState::given_up, Owner::destination, false, "The destination owns the devices"},
        {SourceState::unknown, Owner::unknown, false, "'multifd status 00ff' at the destination"},
        {SourceState::released, Owner::unknown, false, "stopped and keep their state"},
    }));
    OwnershipContext context;
    context.session = "00ff";
    const OwnershipSummary summary = summarize(expected.state, context);
    INFO(summary.next_step);
    CHECK(summary.owner == expected.owner);
    CHECK(summary.owner == owner_of(expected.state));
    CHECK(summary.retry_safe == expected.retry_safe);
    CHECK(one_line(summary.next_step));
    CHECK(says(summary.next_step, expected.words));
}

TEST_CASE("the destination's report names the owner, the retry and the next step", "[ownership]") {
    struct Case {
        DestinationState state;
        Owner owner;
        bool retry_safe;
        const char* words;
    };
    const auto expected = GENERATE(values<Case>({
        {DestinationState::clean, Owner::source, true, "hold none of its state"},
        {DestinationState::refused, Owner::source, true, "A retry is safe"},
        {DestinationState::running, Owner::destination, false, "they run here"},
        {DestinationState::running_partly, Owner::destination, false, "could not be started"},
        {DestinationState::unknown, Owner::unknown, false, "at the source"},
        {DestinationState::loaded, Owner::unknown, false, "Commit or Abort is missing"},
    }));
    const OwnershipSummary summary = summarize(expected.state, OwnershipContext{});
    INFO(summary.next_step);
    CHECK(summary.owner == expected.owner);
    CHECK(summary.retry_safe == expected.retry_safe);
    CHECK(one_line(summary.next_step));
    CHECK(says(summary.next_step, expected.words));
}

TEST_CASE("a device that is not as it should be makes a retry unsafe and is named", "[ownership]") {
    OwnershipContext context;
    context.device_problem = "gpu0 is in error";
    const auto source = summarize(SourceState::resumed, context);
    CHECK(source.owner == Owner::source);
    CHECK_FALSE(source.retry_safe);
    CHECK(says(source.next_step, "gpu0 is in error"));
    CHECK(says(summarize(DestinationState::running_partly, context).next_step, "gpu0 is in error"));
}

TEST_CASE("with a QEMU peer the report says what a QEMU stream cannot give", "[ownership]") {
    OwnershipContext context;
    context.peer = Peer::qemu;
    for (const auto state : {SourceState::resumed, SourceState::given_up, SourceState::unknown}) {
        CHECK(says(summarize(state, context).next_step, "neither commit nor verification"));
    }
}

TEST_CASE("the records of two ended ends name the owner", "[ownership]") {
    using enum Decision;
    struct Case {
        std::optional<Decision> source;
        std::optional<Decision> destination;
        Owner owner;
    };
    const auto expected = GENERATE(values<Case>({
        {std::nullopt, std::nullopt, Owner::unknown},
        {started, std::nullopt, Owner::source},
        {resumed, std::nullopt, Owner::source},
        {commit_decided, std::nullopt, Owner::unknown},
        {given_up, std::nullopt, Owner::destination},
        {std::nullopt, started, Owner::source},
        {std::nullopt, clean, Owner::source},
        {std::nullopt, refused, Owner::source},
        {std::nullopt, loaded, Owner::unknown},
        {std::nullopt, starting, Owner::unknown},
        {std::nullopt, running, Owner::destination},
        {started, loaded, Owner::source},
        {started, running, Owner::unknown},
        {resumed, loaded, Owner::source},
        {resumed, starting, Owner::source},
        {resumed, running, Owner::unknown},
        {commit_decided, started, Owner::unknown},
        {commit_decided, loaded, Owner::source},
        {commit_decided, starting, Owner::unknown},
        {commit_decided, running, Owner::destination},
        {commit_decided, refused, Owner::source},
        {commit_decided, clean, Owner::source},
        {given_up, starting, Owner::destination},
        {given_up, running, Owner::destination},
        {given_up, clean, Owner::unknown},
        {given_up, loaded, Owner::unknown},
        {running, running, Owner::unknown},
    }));
    INFO((expected.source ? to_string(*expected.source) : "none")
         << ", " << (expected.destination ? to_string(*expected.destination) : "none"));
    CHECK(recorded_owner(expected.source, expected.destination) == expected.owner);
}

TEST_CASE("every record explains itself, alone and in pairs", "[ownership]") {
    using enum Decision;
    const std::vector<Decision> of_source{started, commit_decided, given_up, resumed};
    const std::vector<Decision> of_destination{started, loaded, starting, running, refused, clean};
    SessionRecord source;
    source.time = "2024-05-01T12:00:00Z";
    SessionRecord destination = source;
    destination.role = Role::destination;
    for (const Decision mine : of_source) {
        source.decision = mine;
        CHECK(one_line(explain_owner(source)));
        CHECK(says(explain_owner(source), "'" + std::string(to_string(mine)) + "'"));
        for (const Decision theirs : of_destination) {
            destination.decision = theirs;
            CHECK(one_line(explain_owner(destination)));
            const std::string pair = explain_owner(source, destination);
            INFO(pair);
            CHECK(one_line(pair));
            const Owner owner = recorded_owner(mine, theirs);
            CHECK(says(pair, "Owner: " + std::string(to_string(owner))));
        }
    }
    source.decision = commit_decided;
    CHECK(says(explain_owner(source), "look at the destination's record"));
    destination.decision = loaded;
    CHECK(says(explain_owner(source, destination), "went with it"));
}

}  // namespace multifd
