// How a check runs: repetitions, events, a stop, a call that does not return, what is kept.
#include <algorithm>
#include <catch2/catch.hpp>
#include <stdexcept>

#include "multifd/conformance.hpp"
#include "tests/engine/conformance/conformance_fixture.hpp"

namespace multifd {
namespace {

using test::AlteredDevice;
using test::describe;
using test::item_of;
using test::memory_pair;
using test::one_memory_device;
using test::quick_settings;

const std::string kSmall = "size=100000,config-size=64";

CheckReport check(const CheckedDevices& devices, const CheckSettings& settings) {
    return check_conformance([&devices] { return devices; }, settings);
}

TEST_CASE("each repetition has devices of its own", "[conformance]") {
    CheckSettings settings = quick_settings();
    settings.items = {"round-trip", "sizes"};
    settings.repetitions = 3;
    unsigned made = 0;
    std::vector<std::uint32_t> seen;
    settings.on_item = [&](const CheckedItem& item) { seen.push_back(item.repetition); };
    std::weak_ptr<Device> last;
    const auto report = check_conformance(
        [&] {
            ++made;
            CHECK(last.expired());
            CheckedDevices devices = memory_pair(kSmall);
            last = devices.source;
            return devices;
        },
        settings);
    CHECK(report.result == CheckResult::passed);
    CHECK(report.repetitions == 3);
    CHECK(made == 3);
    CHECK(seen == std::vector<std::uint32_t>{1, 1, 2, 2, 3, 3});
    CHECK(report.state_bytes == 100'000);
    CHECK(report.config_bytes == 64);
}

TEST_CASE("a flake is found in the repetition in which it comes, and ends them", "[conformance]") {
    CheckSettings settings = quick_settings();
    settings.items = {"round-trip"};
    settings.repetitions = 5;
    unsigned made = 0;
    const auto report = check_conformance(
        [&] { return memory_pair(++made == 3 ? kSmall + ",fail=read" : kSmall); }, settings);
    CHECK(report.result == CheckResult::failed);
    CHECK(report.repetitions == 2);
    CHECK(made == 3);
    REQUIRE(report.failure);
    CHECK(report.failure->repetition == 3);
}

TEST_CASE("devices that cannot be made again fail the check, and lose nothing of it",
          "[conformance]") {
    CheckSettings settings = quick_settings();
    settings.items = {"round-trip", "sizes"};
    settings.repetitions = 5;
    unsigned made = 0;
    std::vector<CheckEvent> events;
    settings.on_event = [&](CheckEvent event, std::string_view) {
        events.push_back(event);
        return CallResult::success();
    };
    const bool throws = GENERATE(true, false);
    const CheckedDevicesFactory factory = [&] {
        if (++made < 3) return memory_pair(kSmall);
        if (throws) throw std::runtime_error("the device is gone");
        return CheckedDevices{};
    };
    const CheckReport report = check_conformance(factory, settings);
    INFO(describe(report));
    CHECK(made == 3);
    CHECK(report.result == CheckResult::failed);
    CHECK(report.repetitions == 2);
    CHECK_FALSE(report.transitions.empty());
    CHECK(report.state_bytes == 100'000);
    REQUIRE(report.failure);
    CHECK(report.failure->item == "round-trip");
    CHECK(report.failure->reason ==
          std::string("its devices cannot be made: ") +
              (throws ? "the device is gone" : "the factory gave no devices"));
    CHECK(report.failure->repetition == 3);
    CHECK_FALSE(report.failure->source);
    CHECK_FALSE(report.failure->calls.empty());
    CHECK(item_of(report, "round-trip").result == CheckResult::failed);
    CHECK(item_of(report, "sizes").result == CheckResult::passed);
    CHECK(events.back() == CheckEvent::failed);
    made = 2;
    if (throws) CHECK_THROWS_WITH(check_conformance(factory, settings), "the device is gone");
}

TEST_CASE("the times of the transitions are told", "[conformance]") {
    CheckSettings settings = quick_settings();
    settings.items = {"transitions"};
    const auto report = check(memory_pair("size=1000,config-size=64,precopy=on"), settings);
    REQUIRE(report.result == CheckResult::passed);
    const auto of = [&](Role role) {
        return std::ranges::count(report.transitions, role, &TransitionTime::role);
    };
    // 7 states: 42 ways, but the two from STOP_COPY to PRE_COPY.
    CHECK(of(Role::source) == 40);
    CHECK(of(Role::destination) == 40);
    for (const TransitionTime& time : report.transitions) {
        CHECK(time.count >= 1);
        CHECK(time.median <= time.p99);
        CHECK(time.p99 <= time.max);
    }
}

TEST_CASE("the host is asked in between, and may fail the item", "[conformance]") {
    CheckSettings settings = quick_settings();
    settings.items = {"round-trip", "cancelled-save"};
    std::vector<std::string> events;
    const CheckedDevices devices = memory_pair(kSmall);
    settings.on_event = [&](CheckEvent event, std::string_view item) {
        events.push_back(std::string(to_string(event)) + " in " + std::string(item));
        if (event == CheckEvent::destination_loaded) {
            CHECK(devices.destination->state() == DeviceState::stop);
        }
        if (event == CheckEvent::destination_running) {
            CHECK(devices.destination->state() == DeviceState::running);
        }
        return CallResult::success();
    };

    SECTION("which it is for each event") {
        CHECK(check(devices, settings).result == CheckResult::passed);
        CHECK(events == std::vector<std::string>{
                            "source-running in round-trip", "destination-loaded in round-trip",
                            "destination-running in round-trip", "source-resumed in cancelled-save",
                            "destination-loaded in cancelled-save",
                            "destination-running in cancelled-save"});
    }
    SECTION("and is told of the failure that it has made") {
        settings.on_event = [&, inner = settings.on_event](CheckEvent event,
                                                           std::string_view item) {
            (void)inner(event, item);
            return event == CheckEvent::destination_running
                       ? CallResult::failure(std::errc::io_error, "the pattern is not there")
                       : CallResult::success();
        };
        const CheckReport report = check(devices, settings);
        REQUIRE(report.failure);
        CHECK(report.failure->item == "round-trip");
        CHECK(report.failure->reason == "at destination-running: the pattern is not there");
        CHECK(events.back() == "failed in round-trip");
    }
}

TEST_CASE("a failure keeps what there is, and asks nothing more of the devices", "[conformance]") {
    const CheckedDevices devices = memory_pair(kSmall + ",reject=on");
    CheckSettings settings = quick_settings();
    const CheckReport report = check(devices, settings);
    REQUIRE(report.failure);
    CHECK(report.failure->source == DeviceState::stop);
    CHECK(report.failure->destination == DeviceState::resuming);
    CHECK(devices.destination->state() == DeviceState::resuming);
    CHECK(report.failure->state.size() == 100'000);
    CHECK(report.failure->config.size() == 64);
    CHECK(report.failure->loaded_state.empty());
    const auto& calls = report.failure->calls;
    REQUIRE(calls.size() > 3);
    CHECK(std::ranges::find(calls, "-- round-trip") != calls.end());
    CHECK(std::ranges::any_of(calls, [](const std::string& call) {
        return call.starts_with("destination set_state(stop): state rejected");
    }));
}

TEST_CASE("a call that does not return is interrupted, and left behind if it must",
          "[conformance]") {
    CheckSettings settings = quick_settings();
    settings.call_timeout = std::chrono::milliseconds(100);
    settings.items = {"stream-end"};

    SECTION("hung") {
        const CheckReport report = check(memory_pair(kSmall + ",hang=read"), settings);
        REQUIRE(report.failure);
        CHECK(report.failure->reason ==
              "source: read(1048576 bytes) has not returned within 100ms; interrupt() ended it");
        CHECK(report.failure->source == DeviceState::stop_copy);
    }
    SECTION("stuck") {
        const CheckReport report = check(memory_pair(kSmall + ",stuck=read"), settings);
        REQUIRE(report.failure);
        CHECK_THAT(report.failure->reason, Catch::Contains("not even after interrupt()"));
        CHECK_FALSE(report.failure->source);
        CHECK(report.failure->destination == DeviceState::running);
    }
}

TEST_CASE("a stop ends the check between two calls", "[conformance]") {
    CheckSettings settings = quick_settings();
    std::stop_source stop;
    settings.stop = stop.get_token();

    SECTION("asked for in an event") {
        settings.on_event = [&](CheckEvent, std::string_view) {
            stop.request_stop();
            return CallResult::success();
        };
        const CheckReport report = check(memory_pair(kSmall), settings);
        CHECK(report.result == CheckResult::skipped);
        CHECK_FALSE(report.failure);
        CHECK(item_of(report, "new-stream").result == CheckResult::passed);
        CHECK(item_of(report, "round-trip").reason == "the check was stopped");
        CHECK(item_of(report, "transitions").reason == "it was not reached");
    }
    SECTION("asked for while a call runs") {
        CheckedDevices devices = memory_pair(kSmall + ",hang=read");
        AlteredDevice::Alterations stops;
        stops.read = [&](Device& inner, std::span<std::byte> target) {
            stop.request_stop();
            return inner.read(target);
        };
        devices.source = std::make_shared<AlteredDevice>(devices.source, stops);
        const CheckReport report = check(devices, settings);
        CHECK(report.result == CheckResult::skipped);
        CHECK(item_of(report, "stream-end").reason == "the check was stopped");
    }
}

TEST_CASE("a check that makes no sense is refused", "[conformance]") {
    CheckSettings settings = quick_settings();
    settings.items = {"round-tripp"};
    CHECK_THROWS_WITH(check(memory_pair(kSmall), settings),
                      "there is no item \"round-tripp\"; nearest is \"round-trip\"");
    settings.items.clear();
    settings.repetitions = 0;
    CHECK_THROWS_AS(check(memory_pair(kSmall), settings), std::invalid_argument);
    settings.repetitions = 1;
    CHECK_THROWS_AS(check({}, settings), std::invalid_argument);
    for (const DmaRange range : {DmaRange{0, 0}, DmaRange{0, ~std::uint64_t{0}},
                                 DmaRange{0, kCheckedDmaPagesMax * 4096 + 1}}) {
        CAPTURE(range.size);
        settings.dma_ranges = {range};
        CHECK_THROWS_WITH(check(memory_pair(kSmall), settings),
                          Catch::Contains("cannot be logged"));
    }
    CHECK_THROWS_AS(check_conformance({}, settings), std::invalid_argument);
}

}  // namespace
}  // namespace multifd
