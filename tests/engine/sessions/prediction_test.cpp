// The prediction before the switchover: said, compared, and with strict-downtime obeyed.
#include <catch2/catch.hpp>

#include "tests/engine/sessions/session_pair.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

/// Two devices of 100,000 bytes over a link that is said to give `rate`.
struct PredictedPair : SessionPair {
    explicit PredictedPair(std::uint64_t rate) {
        source_settings.avail_switchover_bandwidth = rate;
        source_settings.state_dir.clear();
        ScriptedDevice::Script script;
        script.state = pattern(100'000);
        add_device("gpu0", script);
        script.traits.pre_copy = true;
        add_device("gpu1", script);
    }
};

}  // namespace

TEST_CASE("the source says what it expects, and what was not known", "[session]") {
    PredictedPair pair(1'000'000);
    const auto reports = pair.run();
    REQUIRE(reports.source.status == Status::completed);
    const auto& predicted = reports.source.predicted_downtime;
    REQUIRE(predicted);
    CHECK(predicted->bytes == 200'000);
    CHECK(predicted->bytes_per_second == 1'000'000);
    CHECK(predicted->rate_from == "avail-switchover-bandwidth");
    CHECK(predicted->parts[0].us == 200'000);
    CHECK(predicted->total_us >= 200'000);
    CHECK_FALSE(predicted->complete);
    CHECK_FALSE(reports.destination.predicted_downtime);
}

TEST_CASE("without any measurement the prediction is empty and the migration goes on",
          "[session]") {
    PredictedPair pair(0);
    pair.source_settings.strict_downtime = true;
    const auto reports = pair.run();
    REQUIRE(reports.source.status == Status::completed);
    CHECK(reports.source.predicted_downtime->rate_from == "none");
    CHECK(reports.source.predicted_downtime->bytes_per_second == 0);
    CHECK_FALSE(reports.source.predicted_downtime->complete);
}

TEST_CASE("a rate that --max-bandwidth held is said to be too low, any other is not", "[session]") {
    const bool held = GENERATE(true, false);
    CAPTURE(held);
    SessionPair pair;
    pair.source_settings.max_bandwidth = held ? 4'000'000 : std::uint64_t{1} << 40U;
    ScriptedDevice::Script script;
    script.state = pattern(100'000);
    script.early = pattern(2'000'000);
    script.traits.pre_copy = true;
    pair.add_device("gpu0", script);
    const auto reports = pair.run();
    REQUIRE(reports.source.status == Status::completed);
    const auto& predicted = reports.source.predicted_downtime;
    REQUIRE(predicted);
    CHECK(predicted->rate_from == "pre-copy");
    CHECK(predicted->complete);
    if (held) CHECK(predicted->bytes_per_second <= 4'400'000);
    CHECK(predicted->rate_held == held);
}

TEST_CASE("the cap on the switchover bounds what is expected of the link", "[session]") {
    PredictedPair pair(1'000'000'000);
    pair.source_settings.max_switchover_bandwidth = 10'000'000;
    const auto reports = pair.run();
    REQUIRE(reports.source.predicted_downtime);
    CHECK(reports.source.predicted_downtime->bytes_per_second == 10'000'000);
    CHECK(reports.source.predicted_downtime->rate_from == "max-switchover-bandwidth");
}

TEST_CASE("strict-downtime refuses with the numbers, and no device is stopped", "[session]") {
    PredictedPair pair(100'000);
    pair.source_settings.strict_downtime = true;
    pair.source_settings.downtime_limit = 1900ms;
    const auto reports = pair.run();
    REQUIRE(reports.source.error);
    CHECK(reports.source.status == Status::failed);
    CHECK(reports.source.error->code == "downtime_unreachable");
    CHECK(reports.source.error->exit_code == 14);
    CHECK_THAT(reports.source.error->message, Catch::Contains("link 2000 ms"));
    CHECK_THAT(reports.source.error->message, Catch::Contains("1900ms"));
    CHECK(reports.source.predicted_downtime->parts[0].us == 2'000'000);
    CHECK(reports.source.owner == Owner::source);
    CHECK(reports.source.retry_safe);
    REQUIRE(reports.destination.error);
    CHECK_THAT(reports.destination.error->message, Catch::Contains("downtime_unreachable"));
    for (std::size_t i = 0; i < 2; ++i) CHECK(pair.source_device(i).now() == DeviceState::running);
    const auto lines = pair.journal.lines();
    for (const auto* step : {"set_state stop-copy", "set_state running-p2p"}) {
        CHECK(pair.journal.position(std::string("source/gpu0 ") + step) == lines.size());
    }
}

TEST_CASE("strict-downtime lets a switchover pass that fits", "[session]") {
    PredictedPair pair(100'000);
    pair.source_settings.strict_downtime = true;
    pair.source_settings.downtime_limit = 2100ms;
    CHECK(pair.run().source.status == Status::completed);
}

}  // namespace multifd
