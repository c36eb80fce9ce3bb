#include "engine/cli/record_listing.hpp"

#include <catch2/catch.hpp>

#include "tests/support/report_reader.hpp"

namespace multifd {
namespace {

SessionRecord record(std::string session, Role role, Decision decision) {
    SessionRecord result;
    result.session = std::move(session);
    result.role = role;
    result.decision = decision;
    result.peer = "tcp:127.0.0.1:4444";
    result.devices = {{"gpu0", 0}, {"nic0", 3}};
    result.time = "2024-05-01T12:00:00Z";
    result.pid = 4711;
    return result;
}

RecordFolder folder() {
    RecordFolder records;
    records.records = {record("aa11", Role::source, Decision::given_up),
                       record("aa11", Role::destination, Decision::running),
                       record("bb22", Role::source, Decision::commit_decided)};
    records.damaged = {{"cc33.source.json", "not JSON"}};
    return records;
}

}  // namespace

TEST_CASE("a listing joins both ends of a session and says who owns the devices", "[cli]") {
    const RecordListing listing = list_sessions("/records", folder(), "");
    REQUIRE(listing.sessions.size() == 2);
    CHECK(listing.sessions[0].owner == Owner::destination);
    CHECK(listing.sessions[1].owner == Owner::unknown);
    const std::string text = listing_text(listing);
    CAPTURE(text);
    CHECK_THAT(text, Catch::Contains("session aa11: owner destination\n"));
    CHECK_THAT(text, Catch::Contains("source: given-up at 2024-05-01T12:00:00Z, process 4711, peer "
                                     "tcp:127.0.0.1:4444, 2 devices\n"));
    CHECK_THAT(text, Catch::Contains("session bb22: owner unknown\n"));
    CHECK_THAT(text, Catch::Contains("damaged cc33.source.json: not JSON\n"));
}

TEST_CASE("a listing of one session takes the beginning of its name", "[cli]") {
    const RecordListing listing = list_sessions("/records", folder(), "bb");
    REQUIRE(listing.sessions.size() == 1);
    CHECK(listing.sessions[0].session == "bb22");
    CHECK(listing.damaged.empty());
    CHECK(list_sessions("/records", folder(), "dd").sessions.empty());
    CHECK(list_sessions("/records", folder(), "cc").damaged.size() == 1);
}

TEST_CASE("a listing's JSON has what its text has", "[cli]") {
    const auto document = JsonReport::parse(listing_json(list_sessions("/records", folder(), "")));
    REQUIRE(document.has_value());
    CHECK(document->text("schema") == "multifd-status/1");
    CHECK(document->text("folder") == "/records");
    CHECK(document->text("sessions.0.owner") == "destination");
    CHECK(document->text("sessions.0.destination.decision") == "running");
    CHECK(document->number("sessions.0.source.devices.1.instance-id") == 3);
    CHECK_FALSE(document->has("sessions.1.destination"));
    CHECK(document->text("damaged.0.problem") == "not JSON");
}

TEST_CASE("an empty folder is said to be empty", "[cli]") {
    CHECK(listing_text(list_sessions("/records", {}, "")) == "no sessions on record in /records\n");
}

}  // namespace multifd
