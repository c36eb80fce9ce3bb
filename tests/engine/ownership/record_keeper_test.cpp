// Records are written beside the session, which never waits for a disk longer than it wants to.
#include "engine/ownership/record_keeper.hpp"

#include <catch2/catch.hpp>
#include <optional>

#include "tests/support/connection_pair.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

const std::string kSession(32, 'a');

SessionRecord record_of(Decision decision) {
    SessionRecord record;
    record.session = kSession;
    record.role = Role::source;
    record.peer = "tcp:10.0.0.1:4444";
    record.decision = decision;
    record.devices = {{"gpu0", 0}};
    return record;
}

std::optional<Decision> decision_in(const std::string& folder) {
    const auto records = read_all(folder);
    if (!records || records->records.size() != 1) return std::nullopt;
    return records->records[0].decision;
}

}  // namespace

TEST_CASE("a record that is written stands on the disk", "[engine]") {
    TemporaryFolder folder;
    RecordKeeper keeper(folder / "records");
    REQUIRE(keeper.prepare(patience(), {}) == RecordOutcome::written);
    for (const auto decision : {Decision::started, Decision::commit_decided, Decision::given_up}) {
        REQUIRE(keeper.write(record_of(decision), patience()) == RecordOutcome::written);
        CHECK(decision_in(folder / "records") == decision);
    }
    CHECK(keeper.problem().empty());
}

TEST_CASE("a folder that cannot be had is a problem in words", "[engine]") {
    TemporaryFolder folder;
    write_text(folder.path() / "file", "in the way");
    RecordKeeper keeper(folder / "file");
    CHECK(keeper.prepare(patience(), {}) == RecordOutcome::failed);
    CHECK_THAT(keeper.problem(), Catch::Contains("file"));
    CHECK(keeper.write(record_of(Decision::started), patience()) == RecordOutcome::failed);
    CHECK_FALSE(keeper.problem().empty());
}

TEST_CASE("a failed record leaves the one before it, and the next may succeed", "[engine]") {
    TemporaryFolder folder;
    const auto records = folder / "records";
    RecordKeeper keeper(records);
    REQUIRE(keeper.prepare(patience(), {}) == RecordOutcome::written);
    REQUIRE(keeper.write(record_of(Decision::started), patience()) == RecordOutcome::written);
    std::filesystem::rename(records, folder / "away");
    CHECK(keeper.write(record_of(Decision::commit_decided), patience()) == RecordOutcome::failed);
    std::filesystem::rename(folder / "away", records);
    CHECK(decision_in(records) == Decision::started);
    CHECK(keeper.write(record_of(Decision::resumed), patience()) == RecordOutcome::written);
    CHECK(decision_in(records) == Decision::resumed);
}

TEST_CASE("without a folder everything succeeds and nothing is kept", "[engine]") {
    RecordKeeper keeper("");
    CHECK(keeper.prepare(patience(), {}) == RecordOutcome::written);
    CHECK(keeper.write(record_of(Decision::started), patience()) == RecordOutcome::written);
}

TEST_CASE("records that are not waited for are overtaken, and the last decision stands",
          "[engine]") {
    TemporaryFolder folder;
    const auto records = folder / "records";
    int late = 0;
    {
        RecordKeeper keeper(records);
        REQUIRE(keeper.prepare(patience(), {}) == RecordOutcome::written);
        for (int i = 0; i < 300; ++i) {
            const auto decision = i % 2 == 0 ? Decision::started : Decision::commit_decided;
            const bool by_will = i % 3 == 0;
            const auto outcome =
                by_will ? keeper.write(record_of(decision), patience(), [] { return true; })
                        : keeper.write(record_of(decision), Clock::now());
            REQUIRE(outcome != RecordOutcome::failed);
            if (outcome == RecordOutcome::late) ++late;
        }
        CHECK_THAT(keeper.problem(), Catch::Contains("--state-dir"));
        REQUIRE(keeper.write(record_of(Decision::resumed), patience()) == RecordOutcome::written);
        CHECK(decision_in(records) == Decision::resumed);
    }
    CHECK(late > 0);
}

TEST_CASE("what is in line when the keeper ends is still written", "[engine]") {
    for (int i = 0; i < 20; ++i) {
        TemporaryFolder folder;
        const auto records = folder / "records";
        {
            RecordKeeper keeper(records);
            REQUIRE(keeper.prepare(patience(), {}) == RecordOutcome::written);
            (void)keeper.write(record_of(Decision::commit_decided), Clock::now());
            (void)keeper.write(record_of(Decision::given_up), Clock::now());
        }
        REQUIRE(await([&] { return decision_in(records) == Decision::given_up; }));
    }
}

}  // namespace multifd
