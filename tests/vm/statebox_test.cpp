// Our sample driver: states of many packets, and drivers that are slow or fail, behind the real
// kernel interface.
#include <catch2/catch.hpp>
#include <csignal>

#include "engine/devices/vfio/vfio_device.hpp"
#include "multifd/vfio.hpp"
#include "tests/support/exit_codes.hpp"
#include "tests/vm/guest_device.hpp"
#include "tests/vm/held_cancel.hpp"

namespace multifd::vm {
namespace {

constexpr std::uint64_t kStateBytes = 8 << 20U;

// Numbers of enum vfio_device_mig_state and of errno, for the attribute `fail`.
constexpr const char* kStopCopyFailsIntoError = "3 5 0";
constexpr const char* kStopCopyFailsAndStays = "3 16 -1";
constexpr const char* kResumingEndsInError = "1 22 0";

/// Two pairs of devices of some MiB, in packets of 64 KiB.
struct Pairs {
    Pairs() {
        plan.source_devices = {first.described("box0"), second.described("box1")};
        plan.destination_devices = {first_target.described("box0"),
                                    second_target.described("box1")};
        plan.source_options = words("--packet-size 64KiB --multifd-channels 4");
    }
    void check_arrived() const {
        CHECK(first_target.digest() == first.digest());
        CHECK(second_target.digest() == second.digest());
        CHECK(first_target.state() == DeviceState::running);
        CHECK(second_target.state() == DeviceState::running);
        CHECK(first.state() == DeviceState::stop);
    }
    void check_kept() const {
        CHECK(first.state() == DeviceState::running);
        CHECK(second.state() == DeviceState::running);
        CHECK(first_target.state() != DeviceState::running);
        CHECK(second_target.state() != DeviceState::running);
    }
    [[nodiscard]] Outcome run() const {
        Migration migration(plan);
        migration.start();
        return migration.finish();
    }

    Statebox first{kStateBytes, 11}, second{kStateBytes / 2 + 777, 12};
    Statebox first_target{kStateBytes}, second_target{kStateBytes / 2 + 777};
    Plan plan;
};

TEST_CASE("states of many packets arrive whole", "[tests]") {
    Pairs pairs;
    SECTION("with pre-copy") {}
    SECTION("without") {
        pairs.first.set("offers", "p2p reset");
    }
    SECTION("from a driver that gives and takes odd pieces") {
        pairs.first.set("chunk", "7777");
        pairs.second_target.set("chunk", "1001");
    }
    SECTION("into a slow driver") {
        pairs.first_target.set("delay_us", "3000");
    }
    const Outcome outcome = pairs.run();
    INFO(describe(outcome));
    check_completed(outcome);
    pairs.check_arrived();
    CHECK(outcome.source.number("devices.0.bytes") +
              outcome.source.number("devices.0.pre-copy-bytes") >
          kStateBytes);
}

TEST_CASE("what is written to during pre-copy arrives as it is at the stop", "[tests]") {
    Pairs pairs;
    const Moment moment = "packet 20";
    MomentousMigration momentous(
        pairs.plan, moment, [&](MomentousMigration& /*self*/) { pairs.first.set("touch", "9"); });
    momentous.start();
    const Outcome outcome = momentous.migration().finish();
    INFO(describe(outcome));
    REQUIRE(momentous.seen(moment));
    check_completed(outcome);
    pairs.check_arrived();
}

TEST_CASE("a destination that is killed leaves the devices with their source", "[tests]") {
    Pairs pairs;
    const Moment moment = "packet 33";
    const std::string before = pairs.first.digest();
    MomentousMigration momentous(pairs.plan, moment, [](MomentousMigration& self) {
        self.migration().destination().process().kill();
    });
    momentous.start();
    const Outcome outcome = momentous.migration().finish();
    INFO(describe(outcome));
    REQUIRE(momentous.seen(moment));
    CHECK(outcome.source.text("owner") == "source");
    // Who is killed resets nothing: the devices stay in RESUMING.
    pairs.check_kept();
    CHECK(pairs.first.digest() == before);
}

TEST_CASE("after a cancel half way the same devices migrate", "[tests]") {
    Pairs pairs;
    const std::string before = pairs.first.digest();
    const Outcome cancelled = cancel_at(pairs.plan, "packet 33");
    INFO(describe(cancelled));
    CHECK(cancelled.source.exit_code == kCancelled);
    check_source_kept(cancelled);
    pairs.check_kept();
    CHECK(pairs.first.digest() == before);
    CHECK(pairs.first_target.state() == DeviceState::stop);

    const Outcome outcome = pairs.run();
    INFO(describe(outcome));
    check_completed(outcome);
    pairs.check_arrived();
}

TEST_CASE("a source whose stop fails keeps its devices, and names one that is in ERROR",
          "[tests]") {
    Pairs pairs;
    SECTION("it stays where it was") {
        pairs.first.set("fail", kStopCopyFailsAndStays);
        const Outcome outcome = pairs.run();
        INFO(describe(outcome));
        CHECK(outcome.source.exit_code == kDeviceFailed);
        check_source_kept(outcome);
        pairs.check_kept();
    }
    SECTION("it is in ERROR") {
        pairs.first.set("fail", kStopCopyFailsIntoError);
        const Outcome outcome = pairs.run();
        INFO(describe(outcome));
        CHECK(outcome.source.exit_code == kDeviceFailed);
        CHECK(outcome.source.text("owner") == "source");
        CHECK(outcome.source.text("devices.0.final-state") == "error");
        CHECK(outcome.source.text("next-step").find("box0") != std::string::npos);
        CHECK(pairs.second.state() == DeviceState::running);
    }
}

TEST_CASE("a read that fails half way ends the migration, and the source goes on", "[tests]") {
    Pairs pairs;
    pairs.first.set("offers", "p2p reset");
    pairs.first.set("fail_read", "3000000 5");
    const Outcome outcome = pairs.run();
    INFO(describe(outcome));
    CHECK(outcome.source.exit_code == kDeviceFailed);
    CHECK(outcome.source.text("error.device") == "box0");
    check_source_kept(outcome);
    pairs.check_kept();
}

TEST_CASE("a state that is rejected at the end is reset away, and the source goes on", "[tests]") {
    Pairs pairs;
    pairs.second_target.set("fail", kResumingEndsInError);
    const bool has_reset = GENERATE(true, false);
    CAPTURE(has_reset);
    if (!has_reset) pairs.second_target.set("offers", "p2p pre-copy");
    const Outcome outcome = pairs.run();
    INFO(describe(outcome));
    CHECK(outcome.destination.exit_code == kDeviceFailed);
    check_source_kept(outcome);
    pairs.check_kept();
    CHECK(pairs.first_target.state() == DeviceState::stop);
    CHECK(pairs.second_target.state() == (has_reset ? DeviceState::stop : DeviceState::error));
    const bool said = outcome.destination.text("next-step").find("no reset") != std::string::npos;
    CHECK(said == !has_reset);
}

TEST_CASE("a device without P2P beside another is refused before anything is stopped", "[tests]") {
    Pairs pairs;
    pairs.second.set("offers", "pre-copy reset");
    Migration migration(pairs.plan);
    migration.start();
    const CommandEnd source = migration.finish_source();
    INFO(describe("source", source));
    CHECK(source.text("error.code") == "device_lacks_p2p");
    CHECK(source.text("error.device") == "box1");
    CHECK(pairs.first.state() == DeviceState::running);
    CHECK(pairs.second.state() == DeviceState::running);
    // It was never spoken to, and waits for a source.
    migration.destination().process().signal(SIGTERM);
    CHECK(migration.finish_destination().number("transferred") == 0);
}

TEST_CASE("a driver slower than the stall timeout is named, and not waited for", "[tests]") {
    Pairs pairs;
    pairs.first.set("step_ms", "6000");
    pairs.plan.options = words("--stall-timeout 2s");
    const Outcome outcome = pairs.run();
    INFO(describe(outcome));
    CHECK(outcome.source.text("error.code") == "device_stuck");
    CHECK(outcome.source.text("error.device") == "box0");
}

TEST_CASE("DMA logging begins and ends, once each", "[tests]") {
    const Statebox box(1 << 16U);
    VfioDevice device(kernel_vfio_calls(), box.open(), {});
    REQUIRE(device.traits().dma_logging);
    const std::vector<DmaRange> ranges{{0, 1 << 20U}};
    CHECK(device.start_dma_logging(4096, ranges).ok());
    CHECK(device.start_dma_logging(4096, ranges).error == std::errc::device_or_resource_busy);
    box.set("dma", "8192");
    std::vector<std::uint64_t> bitmap(4);
    const CallResult report = device.report_dma_logging(ranges[0], 4096, bitmap);
    INFO(report.detail);
    // Debian's kernel is built without the bitmaps that a report is made of.
    if (report.ok()) {
        CHECK(bitmap[0] == 4);
    } else {
        CHECK(report.error == std::errc::operation_not_supported);
    }
    CHECK(device.stop_dma_logging().ok());
    CHECK(device.stop_dma_logging().error == std::errc::invalid_argument);
}

TEST_CASE("an open device that a VMM hands over migrates through the library", "[tests]") {
    const Statebox source(1 << 20U, 9);
    const Statebox destination(1 << 20U);
    {
        const VfioAttachment from = source.open();
        const VfioAttachment into = destination.open();
        const auto giver = make_vfio_device(from.device.get(), {.name = "giver"});
        const auto taker = make_vfio_device(into.device.get(), {.name = "taker"});
        REQUIRE(giver->set_state(DeviceState::stop_copy).ok());
        REQUIRE(taker->set_state(DeviceState::resuming).ok());
        std::vector<std::byte> piece(100'000);
        CallResult got = giver->read(piece);
        for (; got.ok() && got.value != 0; got = giver->read(piece)) {
            REQUIRE(taker->write(std::span(piece).first(got.value)).ok());
        }
        INFO(got.detail);
        REQUIRE(got.ok());
        std::vector<std::byte> config;
        REQUIRE(giver->save_config(config).ok());
        REQUIRE(taker->load_config(config).ok());
        REQUIRE(taker->set_state(DeviceState::running).ok());
        CHECK(giver->set_state(DeviceState::stop).ok());
    }
    CHECK(destination.digest() == source.digest());
    CHECK(destination.state() == DeviceState::running);
}

TEST_CASE("probe tells what blocks a real device", "[tests]") {
    const Statebox box(1 << 20U);
    const auto probe = [&] {
        return run_command(Words{"probe", "--json", "--device", box.described("box")});
    };
    const CommandEnd healthy = probe();
    INFO(describe("healthy", healthy));
    CHECK(healthy.exit_code == 0);
    const auto report = JsonReport::parse(healthy.standard_output);
    REQUIRE(report);
    CHECK(report->text("devices.0.facts.interface") == "group");
    CHECK(report->text("devices.0.facts.reset") == "yes");
    CHECK(report->number("devices.0.state-bytes") > 1 << 20U);
    box.set("fail", "1 5 0");
    {
        VfioDevice device(kernel_vfio_calls(), box.open(), {});
        REQUIRE_FALSE(device.set_state(DeviceState::stop).ok());
    }
    const CommandEnd broken = probe();
    INFO(describe("broken", broken));
    CHECK(broken.exit_code == kDeviceFailed);
    CHECK(broken.standard_output.find("only a reset leaves that") != std::string::npos);
    const CommandEnd host = run_command(words("probe"));
    CHECK(host.standard_output.find("statebox-1 of statebox") != std::string::npos);
}

TEST_CASE("a size of another device is refused by the driver, not half-applied", "[tests]") {
    const Statebox source(1 << 20U, 5);
    const Statebox destination(1 << 19U);
    Plan plan;
    plan.source_devices = {source.described("box")};
    plan.destination_devices = {destination.described("box")};
    Migration migration(plan);
    migration.start();
    const Outcome outcome = migration.finish();
    INFO(describe(outcome));
    CHECK(outcome.destination.exit_code == kDeviceFailed);
    check_source_kept(outcome);
    CHECK(destination.state() == DeviceState::stop);
    CHECK(destination.digest() == Statebox(1 << 19U).digest());  // As new.
}

}  // namespace
}  // namespace multifd::vm
