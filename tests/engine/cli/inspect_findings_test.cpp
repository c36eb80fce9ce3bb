// What is found once all files have been read, from what was collected on the way.
#include <catch2/catch.hpp>

#include "engine/cli/inspection_reader.hpp"

namespace multifd {
namespace {

Hello hello_of(std::uint32_t channels) {
    Hello hello;
    hello.channels = channels;
    hello.devices = {{{"gpu0", 0}, MultifdChoice::automatic, true, 0},
                     {{"gpu1", 5}, MultifdChoice::automatic, true, 0}};
    return hello;
}

Conversation complete_conversation() {
    Conversation said;
    said.main_channel_seen = true;
    said.return_path_seen = true;
    said.switchover_seen = true;
    said.eof_seen = true;
    said.running_seen = true;
    return said;
}

InspectedChannel channel(std::uint32_t id) {
    InspectedChannel channel;
    channel.id = id;
    return channel;
}

std::vector<Finding> findings(const Conversation& said, Inspection result = {}) {
    judge_conversation(result, said);
    return result.findings;
}

}  // namespace

TEST_CASE("a conversation that was held to its end has no findings", "[cli]") {
    Inspection result;
    result.channels = {channel(1), channel(0)};
    Conversation said = complete_conversation();
    said.source_hello = hello_of(2);
    said.destination_hello = hello_of(0);
    said.source_counts = {{0, 1, 2, 3}, {1, 4, 5, 6}};
    said.destination_counts = {{1, 4, 5, 6}, {0, 1, 2, 3}};
    CHECK(findings(said, result).empty());
}

TEST_CASE("channels that were agreed and are not recorded are missed", "[cli]") {
    Inspection result;
    result.channels = {channel(0)};
    Conversation said = complete_conversation();
    said.source_hello = hello_of(2);
    said.destination_hello = hello_of(0);
    const auto found = findings(said, result);
    REQUIRE(found.size() == 1);
    CHECK(found[0].code == "channel_missing");
    CHECK(found[0].message == "2 channels were agreed and 1 are recorded");
}

TEST_CASE("a device counted differently at the two ends is named", "[cli]") {
    Conversation said = complete_conversation();
    said.source_hello = hello_of(1);
    said.source_counts = {{0, 1, 2, 3}, {1, 4, 5, 6}};
    SECTION("another digest") {
        said.destination_counts = {{0, 1, 2, 3}, {1, 4, 5, 7}};
        const auto found = findings(said);
        REQUIRE(found.size() == 1);
        CHECK(found[0].code == "digest_mismatch");
        CHECK(found[0].device == DeviceIdentity{"gpu1", 5});
    }
    SECTION("other bytes") {
        said.destination_counts = {{0, 1, 9, 3}, {1, 4, 5, 6}};
        const auto found = findings(said);
        REQUIRE(found.size() == 1);
        CHECK(found[0].code == "count_mismatch");
        CHECK(found[0].device == DeviceIdentity{"gpu0", 0});
    }
    SECTION("a device that the destination does not report, and no hello has") {
        said.source_counts.push_back({9, 1, 1, 1});
        said.destination_counts = {{0, 1, 2, 3}, {1, 4, 5, 6}};
        const auto found = findings(said);
        REQUIRE(found.size() == 1);
        CHECK(found[0].code == "count_mismatch");
        CHECK_FALSE(found[0].device.has_value());
    }
}

TEST_CASE("an abort explains why the end is missing", "[cli]") {
    Conversation said = complete_conversation();
    said.eof_seen = false;
    said.running_seen = false;
    said.abort_seen = true;
    const auto found = findings(said);
    REQUIRE(found.size() == 1);
    CHECK(found[0].code == "cancelled");
    CHECK(found[0].severity == Severity::warning);
}

TEST_CASE("single channels are not asked for the others", "[cli]") {
    Inspection result;
    result.channels = {channel(7)};
    CHECK(findings({}, result).empty());
}

}  // namespace multifd
