// Pre-copy over the channels, both ends in one process.
#include <algorithm>
#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "engine/devices/device_options.hpp"
#include "tests/engine/sessions/session_pair.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kEarlyBytes = 50'000;  // 13 packets of 4 KiB.
constexpr std::size_t kEarlyPackets = 13;
constexpr std::size_t kStateBytes = 30'000;  // 8, and one of the config state.
constexpr std::size_t kStatePackets = 9;

ScriptedDevice::Script pre_copying(unsigned seed = 1) {
    ScriptedDevice::Script script;
    script.traits.pre_copy = true;
    script.early = pattern(kEarlyBytes, seed);
    script.state = pattern(kStateBytes, seed + 1);
    script.config = pattern(100, seed + 2);
    return script;
}

std::vector<std::byte> everything(unsigned seed = 1) {
    auto bytes = pattern(kEarlyBytes, seed);
    const auto state = pattern(kStateBytes, seed + 1);
    bytes.insert(bytes.end(), state.begin(), state.end());
    return bytes;
}

std::shared_ptr<Device> memory(const std::string& options, Role role) {
    return make_device(parse_device_spec("memory,idstr=x" + options), role).device;
}

void check_completed(const SessionPair::Reports& reports) {
    for (const auto* report : {&reports.source, &reports.destination}) {
        INFO((report->error ? report->error->message : ""));
        CHECK(report->status == Status::completed);
    }
}

void check_survival(SessionPair& pair, const SessionPair::Reports& reports) {
    CHECK(reports.source.owner == Owner::source);
    CHECK(pair.source_device(0).now() == DeviceState::running);
    CHECK(pair.destination_device(0).now() == DeviceState::stop);
    CHECK(pair.destination_device(0).received().empty());
}

std::ptrdiff_t times(const Journal& journal, const std::string& line) {
    const auto lines = journal.lines();
    return std::ranges::count(lines, line);
}

/// How often the destination's device had been written to when the source's was told to stop.
std::size_t writes_before_stop(const Journal& journal) {
    const auto lines = journal.lines();
    const auto stop = std::ranges::find(lines, "source/gpu0 set_state stop-copy");
    return static_cast<std::size_t>(std::count(lines.begin(), stop, "destination/gpu0 write"));
}

}  // namespace

TEST_CASE("pre-copy data arrives in order with the state, over the channels when both ends want it",
          "[session][pre-copy]") {
    SessionPair pair;
    pair.source_settings.multifd_pre_copy = GENERATE(true, false);
    pair.destination_settings.multifd_pre_copy = GENERATE(true, false);
    pair.source_settings.switchover_ack = GENERATE(true, false);
    pair.source_settings.downtime_limit = 0ms;  // So that everything early is sent early.
    const bool on_channels =
        pair.source_settings.multifd_pre_copy && pair.destination_settings.multifd_pre_copy;
    pair.add_device("gpu0", pre_copying(1));
    pair.add_device("gpu1", pre_copying(7), {}, MultifdProperty::off);
    ScriptedDevice::Script plain;
    plain.state = pattern(kStateBytes, 20);
    pair.add_device("nic0", plain);

    const auto reports = pair.run();

    check_completed(reports);
    CHECK(pair.destination_device(0).received() == everything(1));
    CHECK(pair.destination_device(1).received() == everything(7));
    CHECK(pair.destination_device(2).received() == plain.state);
    for (const auto* report : {&reports.source, &reports.destination}) {
        const auto packets = report->devices[0].packets;
        // A round that ends inside a packet sends it as it is.
        CHECK((on_channels ? packets >= kStatePackets + kEarlyPackets : packets == kStatePackets));
        CHECK(report->devices[0].pre_copy_bytes == kEarlyBytes);
        CHECK(report->devices[0].bytes == kStateBytes + 100);
        CHECK(report->devices[1].packets == 0);
        CHECK(report->devices[1].pre_copy_bytes == kEarlyBytes);
        CHECK(report->devices[2].pre_copy_bytes == 0);
    }
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(reports.source.devices[i].transfer_digest ==
              reports.destination.devices[i].transfer_digest);
    }
}

TEST_CASE("devices whose pre-copy data takes the channels read at the same time",
          "[session][pre-copy]") {
    // Each one's first read waits until the other one's has begun.
    auto first_began = std::make_shared<std::promise<void>>();
    auto second_began = std::make_shared<std::promise<void>>();
    const auto meet = [](std::shared_ptr<std::promise<void>> mine, std::shared_future<void> other) {
        return [mine, other, met = std::make_shared<bool>(false)](const std::string& call) {
            if (call != "read" || std::exchange(*met, true)) return CallResult::success();
            mine->set_value();
            const bool came = other.wait_for(20s) == std::future_status::ready;
            return came ? CallResult::success()
                        : CallResult::failure(std::errc::timed_out, "the other one never read");
        };
    };
    const std::shared_future<void> first(first_began->get_future());
    const std::shared_future<void> second(second_began->get_future());
    SessionPair pair;
    auto one = pre_copying(1);
    auto other = pre_copying(7);
    one.before = meet(first_began, second);
    other.before = meet(second_began, first);
    pair.add_device("gpu0", one);
    pair.add_device("gpu1", other);
    check_completed(pair.run());
}

TEST_CASE("no device stops before its pre-copy packets are loaded, when that was waited for",
          "[session][pre-copy]") {
    SessionPair pair;
    SECTION("with an acknowledgement") {
        pair.source_settings.switchover_ack = true;
    }
    SECTION("because nothing may be left to load in the downtime") {
        pair.source_settings.downtime_limit = 0ms;
    }
    // The first packet is not loaded before the source has looked around often enough to go wrong.
    ScriptedDevice::Script slow;
    slow.before = [&](const std::string& call) {
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (call == "write" && times(pair.journal, "source/gpu0 pre_copy_sizes") < 20 &&
               times(pair.journal, "source/gpu0 set_state stop-copy") == 0 &&
               std::chrono::steady_clock::now() < deadline) {
            std::this_thread::yield();
        }
        return CallResult::success();
    };
    pair.add_device("gpu0", pre_copying(), slow);
    check_completed(pair.run());
    CHECK(writes_before_stop(pair.journal) >= kEarlyPackets);
}

TEST_CASE("memory devices that go on changing arrive right, at a destination that lends too",
          "[session][pre-copy]") {
    SessionPair pair;
    pair.source_settings.packet_size = 64 << 10;
    pair.destination_settings.max_queued_bytes = 256 << 10;
    pair.source_settings.multifd_channels = GENERATE(1U, 3U);
    pair.source_settings.multifd_pre_copy = GENERATE(true, false);
    for (const char* destination : {"", ",held=on,size=8MiB", ",lend=on,size=8MiB"}) {
        const std::string name = "gpu" + std::string(destination).substr(0, 5);
        pair.add_devices(name,
                         memory(",size=8MiB,seed=3,precopy=on,dirty-rate=50MiB", Role::source),
                         memory(destination, Role::destination));
    }
    const auto reports = pair.run();
    check_completed(reports);
    for (const auto& device : reports.destination.devices) CHECK(device.pre_copy_bytes > 0);
    CHECK(reports.destination.peak_queued_bytes <= (256 << 10) + (1 << 20) + 16);
}

TEST_CASE("a device that fails during pre-copy leaves both ends as they were",
          "[session][pre-copy]") {
    const bool at_source = GENERATE(true, false);
    const std::string call = at_source ? GENERATE("read", "pre_copy_sizes") : std::string("write");
    auto source = pre_copying();
    ScriptedDevice::Script destination;
    (at_source ? source : destination).before = [call](const std::string& now) {
        return now == call ? CallResult::failure(std::errc::io_error, "the disk fell off")
                           : CallResult::success();
    };
    SessionPair pair;
    pair.source_settings.switchover_ack = true;  // Neither end gets any further.
    pair.add_device("gpu0", source, destination);
    const auto reports = pair.run();
    check_survival(pair, reports);
    const auto& here = at_source ? reports.source : reports.destination;
    const auto& there = at_source ? reports.destination : reports.source;
    REQUIRE((here.error && there.error));
    CHECK(here.error->code == "device_failed");
    CHECK(here.error->device == "gpu0");
    CHECK(here.error->phase == "active");
    CHECK(there.error->code == "peer_failed");
}

TEST_CASE("a destination that stops loading during pre-copy is named, and a cancel still works",
          "[session][pre-copy]") {
    std::promise<void> reached;
    std::promise<void> release;
    const std::shared_future<void> released(release.get_future());
    ScriptedDevice::Script stuck;
    stuck.before = [&, once = std::make_shared<bool>(false)](const std::string& call) {
        if (call != "write" || std::exchange(*once, true)) return CallResult::success();
        reached.set_value();
        released.wait();
        return CallResult::success();
    };
    SessionPair pair;
    pair.source_settings.switchover_ack = true;
    SECTION("the watchdog") {
        pair.source_settings.stall_timeout = pair.destination_settings.stall_timeout = 300ms;
        pair.add_device("gpu0", pre_copying(), stuck);
        const auto reports = pair.run();
        release.set_value();
        REQUIRE(reports.destination.error);
        CHECK(reports.destination.error->code == "device_stuck");
        CHECK(reports.destination.error->device == "gpu0");
        CHECK(pair.source_device(0).now() == DeviceState::running);
    }
    SECTION("a cancel at either end") {
        const bool at_source = GENERATE(true, false);
        pair.add_device("gpu0", pre_copying(), stuck);
        pair.start();
        REQUIRE(reached.get_future().wait_for(20s) == std::future_status::ready);
        CHECK((at_source ? pair.source().cancel() : pair.destination().cancel()) ==
              CancelAnswer::accepted);
        release.set_value();
        const auto reports = pair.await();
        CHECK(reports.source.status == Status::cancelled);
        CHECK(reports.destination.status == Status::cancelled);
        check_survival(pair, reports);
    }
}

}  // namespace multifd
