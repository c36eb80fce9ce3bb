// Near the last idx of all: pre-copy gives up its numbers in time, or the migration fails cleanly.
#include <catch2/catch.hpp>
#include <thread>

#include "channels/transport/connection_listener.hpp"
#include "engine/destination/destination_session.hpp"
#include "engine/devices/device_options.hpp"
#include "engine/source/source_session.hpp"
#include "tests/engine/sessions/scripted_device.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kIdxEnd = limits::kIdxReserved;

/// Both ends, with packet numbers that begin at `first_idx`.
struct NumberedPair {
    SourceSettings source_settings;
    DestinationSettings destination_settings;
    Report source, destination;

    void run(const DeviceEntry& from, const DeviceEntry& to, std::uint32_t first_idx) {
        TemporaryFolder folder;
        ConnectionListener listener({.address = *parse_address("unix:" + (folder / "socket"))});
        source_settings.to = to_string(listener.local_address());
        source_settings.packet_size = 4096;
        source_settings.on_unknown_owner = OnUnknownOwner::exit;
        destination_settings.on_unknown_owner = OnUnknownOwner::exit;
        const auto receiver = std::make_shared<DestinationSession>(
            destination_settings, std::vector{to}, nullptr, LogSink());
        const auto sender =
            std::make_shared<SourceSession>(source_settings, std::vector{from}, nullptr, LogSink());
        sender->number_from(first_idx);
        receiver->number_from(first_idx);
        std::thread thread([&] { destination = receiver->run(listener); });
        source = sender->run();
        thread.join();
    }
};

DeviceEntry memory(const std::string& options, Role role) {
    return make_device(parse_device_spec("memory,idstr=gpu0" + options), role);
}

}  // namespace

// It dirties its state anew within microseconds, so that no round ever finds it clean.
TEST_CASE("a device that would pre-copy for ever is switched over when its numbers come to an end",
          "[session][pre-copy]") {
    NumberedPair pair;
    pair.source_settings.downtime_limit = 0ms;
    pair.source_settings.switchover_ack = GENERATE(true, false);
    const auto from = memory(",size=256KiB,seed=4,precopy=on,dirty-rate=64GiB", Role::source);
    pair.run(from, memory("", Role::destination), static_cast<std::uint32_t>(kIdxEnd - 6000));
    for (const auto* report : {&pair.source, &pair.destination}) {
        INFO((report->error ? report->error->message : ""));
        CHECK(report->status == Status::completed);
    }
    CHECK(pair.destination.devices[0].pre_copy_bytes > 1'000U * 4096);
    CHECK(pair.destination.devices[0].packets < 6000);
    CHECK(from.device->state() == DeviceState::stop);
}

TEST_CASE("a device whose state has more packets than there are numbers is idx_exhausted",
          "[session][pre-copy]") {
    NumberedPair pair;
    const auto from = memory(",size=1MiB,seed=4,precopy=on", Role::source);
    const auto to = memory("", Role::destination);
    SECTION("found when it has stopped") {
        pair.run(from, to, static_cast<std::uint32_t>(kIdxEnd - 100));
    }
    SECTION("found before its initial data is through, when that is waited for") {
        pair.source_settings.switchover_ack = true;
        pair.run(from, to, static_cast<std::uint32_t>(kIdxEnd - 100));
        CHECK(pair.source.error->phase == "active");
    }
    REQUIRE((pair.source.error && pair.destination.error));
    CHECK(pair.source.error->code == "idx_exhausted");
    CHECK(pair.source.error->device == "gpu0");
    CHECK(pair.destination.error->code == "peer_failed");
    CHECK(pair.source.owner == Owner::source);
    CHECK(from.device->state() == DeviceState::running);
    CHECK(to.device->state() == DeviceState::stop);
}

}  // namespace multifd
