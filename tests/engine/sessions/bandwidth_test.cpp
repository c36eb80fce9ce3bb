// Rates: what waits for one is not stalled, and can be ended at any time.
#include <catch2/catch.hpp>

#include "tests/engine/sessions/session_pair.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

/// Writes one large section of its own before anything else.
struct Talkative final : Host {
    CallResult save(SavePoint point, SectionWriter& sections, std::stop_token) override {
        if (point != SavePoint::setup) return CallResult::success();
        journal.note("saves");
        return sections.write("cpu", pattern(100'000));
    }
    Journal journal;
};

struct Listening final : Host {
    CallResult load(std::string_view, std::span<const std::byte>, std::stop_token) override {
        return CallResult::success();
    }
};

/// A pair whose source is held to so low a rate that it would need a day.
struct SlowPair : SessionPair {
    explicit SlowPair(bool switchover) {
        (switchover ? source_settings.max_switchover_bandwidth : source_settings.max_bandwidth) = 1;
        ScriptedDevice::Script script;
        script.state = pattern(100'000);
        add_device("gpu0", script);
        add_device("nic", script, {}, MultifdProperty::off);
        if (!switchover) {
            source_host = &host;
            destination_host = &listening;
        }
    }
    void check_devices_returned() {
        for (std::size_t i = 0; i < 2; ++i) {
            CHECK(source_device(i).now() == DeviceState::running);
            CHECK(destination_device(i).now() == DeviceState::stop);
        }
    }
    Talkative host;
    Listening listening;
};

}  // namespace

TEST_CASE("a wait for the rate is no stall at either end, only the phase's limit ends it",
          "[session]") {
    const bool switchover = GENERATE(false, true);
    CAPTURE(switchover);
    SlowPair pair(switchover);
    pair.source_settings.stall_timeout = pair.destination_settings.stall_timeout = 200ms;
    pair.source_settings.phase_timeout = 1500ms;
    const auto reports = pair.run();
    REQUIRE(reports.source.error);
    CHECK(reports.source.error->code == "phase_timeout");
    pair.check_devices_returned();
}

TEST_CASE("a wait for the rate ends with a cancel", "[session][cancel]") {
    const bool switchover = GENERATE(false, true);
    CAPTURE(switchover);
    SlowPair pair(switchover);
    pair.start();
    if (switchover) {
        REQUIRE(pair.journal.await("source/gpu0 read"));
    } else {
        REQUIRE(pair.host.journal.await("saves"));
    }
    CHECK(pair.source().cancel() == CancelAnswer::accepted);
    const auto reports = pair.await();
    CHECK(reports.source.status == Status::cancelled);
    pair.check_devices_returned();
}

TEST_CASE("rates that are never reached change nothing", "[session]") {
    SessionPair pair;
    pair.source_settings.max_bandwidth = std::uint64_t{1} << 40U;
    pair.source_settings.max_switchover_bandwidth = std::uint64_t{1} << 40U;
    Talkative host;
    pair.source_host = &host;
    Listening listening;
    pair.destination_host = &listening;
    ScriptedDevice::Script script;
    script.state = pattern(100'000);
    pair.add_device("gpu0", script);
    pair.add_device("nic", script, {}, MultifdProperty::off);
    CHECK(pair.run().source.status == Status::completed);
    for (std::size_t i = 0; i < 2; ++i)
        CHECK(pair.destination_device(i).received() == script.state);
}

}  // namespace multifd
