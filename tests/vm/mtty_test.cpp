// The Linux sample driver mtty, migrated by the command; the device itself says what arrived.
#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <list>

#include "tests/support/exit_codes.hpp"
#include "tests/vm/guest_device.hpp"
#include "tests/vm/held_cancel.hpp"

namespace multifd::vm {
namespace {

/// Pairs of devices, each with two ports that hold something of their own at the source.
struct Fleet {
    explicit Fleet(std::size_t count, const std::string& more = "") {
        for (std::size_t device = 0; device < count; ++device) {
            const auto& source = sources.emplace_back("mtty-2");
            const auto& destination = destinations.emplace_back("mtty-2");
            for (std::uint32_t port = 0; port < 2; ++port) {
                Uart(source, port).put(content(device, port));
            }
            const std::string idstr = "tty" + std::to_string(device);
            plan.source_devices.push_back(source.described(idstr) + more);
            plan.destination_devices.push_back(destination.described(idstr) + more);
        }
    }
    static Uart::Content content(std::size_t device, std::uint32_t port) {
        return {"device " + std::to_string(device) + " port " + std::to_string(port),
                static_cast<std::uint8_t>(0xa0 + 2 * device + port)};
    }
    static void check_holds(const std::list<MediatedDevice>& devices) {
        std::size_t device = 0;
        for (const auto& one : devices) {
            CAPTURE(device);
            CHECK(Uart(one, 0).take() == content(device, 0));
            CHECK(Uart(one, 1).take() == content(device, 1));
            ++device;
        }
    }
    static void check_states(const std::list<MediatedDevice>& devices, DeviceState expected) {
        for (const auto& one : devices) CHECK(one.state() == expected);
    }

    std::list<MediatedDevice> sources, destinations;
    Plan plan;
};

Outcome run(Plan plan) {
    Migration migration(std::move(plan));
    migration.start();
    return migration.finish();
}

TEST_CASE("mtty devices arrive whole, over channels, with pre-copy and without", "[tests]") {
    const auto devices = GENERATE(1U, 2U, 4U);
    const auto channels = GENERATE(1U, 2U, 4U);
    const bool pre_copy = GENERATE(true, false);
    CAPTURE(devices, channels, pre_copy);
    Fleet fleet(devices, pre_copy ? "" : ",precopy=off");
    fleet.plan.source_options = words("--multifd-channels " + std::to_string(channels));
    const Outcome outcome = run(fleet.plan);
    INFO(describe(outcome));
    check_completed(outcome);
    CHECK((outcome.source.number("devices.0.pre-copy-bytes") != 0) == pre_copy);
    Fleet::check_states(fleet.sources, DeviceState::stop);
    Fleet::check_states(fleet.destinations, DeviceState::running);
    Fleet::check_holds(fleet.destinations);
}

TEST_CASE("an mtty's state takes the main channel where that is asked for", "[tests]") {
    Fleet fleet(2, ",multifd=off");
    const Outcome outcome = run(fleet.plan);
    INFO(describe(outcome));
    check_completed(outcome);
    Fleet::check_holds(fleet.destinations);
}

TEST_CASE("a cancel half way gives every mtty back as it was", "[tests]") {
    const Moment moment = GENERATE(as<Moment>{}, "packet 3", "main eof");
    CAPTURE(moment);
    Fleet fleet(2);
    const Outcome outcome = cancel_at(fleet.plan, moment);
    INFO(describe(outcome));
    CHECK(outcome.source.exit_code == kCancelled);
    check_source_kept(outcome);
    Fleet::check_states(fleet.sources, DeviceState::running);
    Fleet::check_states(fleet.destinations, DeviceState::stop);
    Fleet::check_holds(fleet.sources);
}

TEST_CASE("a destination that is killed leaves the mttys with their source", "[tests]") {
    const Moment moment = GENERATE(as<Moment>{}, "packet 3", "back loaded");
    CAPTURE(moment);
    Fleet fleet(2);
    MomentousMigration momentous(fleet.plan, moment, [](MomentousMigration& self) {
        self.migration().destination().process().kill();
    });
    momentous.start();
    const Outcome outcome = momentous.migration().finish();
    INFO(describe(outcome));
    REQUIRE(momentous.seen(moment));
    CHECK(outcome.source.text("owner") == "source");
    CHECK(outcome.source.text("devices.0.final-state") == "running");
    Fleet::check_states(fleet.sources, DeviceState::running);
    Fleet::check_holds(fleet.sources);
}

TEST_CASE("a state of another kind is rejected, and the device that was fed it is reset",
          "[tests]") {
    const MediatedDevice source("mtty-1");
    const MediatedDevice destination("mtty-2");
    Uart(source, 0).put({"stay", 0x42});
    Plan plan;
    plan.source_devices = {source.described("tty")};
    plan.destination_devices = {destination.described("tty")};
    const Outcome outcome = run(plan);
    INFO(describe(outcome));
    CHECK(outcome.destination.exit_code == kDeviceFailed);
    CHECK(outcome.destination.text("devices.0.final-state") == "stop");
    check_source_kept(outcome);
    CHECK(source.state() == DeviceState::running);
    CHECK(destination.state() == DeviceState::stop);
    CHECK(Uart(source, 0).take() == Uart::Content{"stay", 0x42});
}

TEST_CASE("arbitrary bytes are rejected by an mtty, and their source keeps its device", "[tests]") {
    const MediatedDevice destination("mtty-1");
    Plan plan;
    plan.source_devices = {"memory,idstr=tty,size=64KiB,precopy=off"};
    plan.destination_devices = {destination.described("tty")};
    const Outcome outcome = run(plan);
    INFO(describe(outcome));
    CHECK(outcome.destination.exit_code == kDeviceFailed);
    check_source_kept(outcome);
    CHECK(destination.state() == DeviceState::stop);
}

TEST_CASE("a device that somebody else has open is refused before anything begins", "[tests]") {
    const MediatedDevice device("mtty-1");
    const VfioAttachment other = device.open();
    const CommandEnd end =
        run_command(Words{"send", "--to", "tcp:127.0.0.1:1", "--device", device.described("tty")});
    INFO(describe("send", end));
    CHECK(end.exit_code == kUsage);
    CHECK(end.standard_error.find("another process has it") != std::string::npos);
}

}  // namespace
}  // namespace multifd::vm
