#include "engine/devices/region/region_adapter.hpp"

#include <catch2/catch.hpp>

#include "multifd/conformance.hpp"
#include "tests/engine/devices/region/strict_region_device.hpp"
#include "tests/engine/sessions/scripted_device.hpp"

namespace multifd {
namespace {

using test::StrictRegionDevice;
using Chunks = std::vector<std::vector<std::byte>>;

const Chunks kChunks{pattern(1000, 1), pattern(1, 2), pattern(64 * 1024, 3), pattern(7, 4)};
const Chunks kEarly{pattern(300, 5), pattern(40, 6)};

struct Adapted {
    explicit Adapted(StrictRegionDevice::Script script)
        : region(std::make_shared<StrictRegionDevice>(std::move(script))),
          device(make_region_adapter(region)) {}

    /// What read() gives until it gives nothing.
    Chunks read_all(std::size_t call_bytes = 1U << 20U) {
        Chunks chunks;
        for (;;) {
            std::vector<std::byte> buffer(call_bytes);
            const CallResult read = device->read(buffer);
            INFO(read.detail);
            REQUIRE(read.ok());
            if (read.value == 0) return chunks;
            buffer.resize(read.value);
            chunks.push_back(std::move(buffer));
        }
    }

    std::shared_ptr<StrictRegionDevice> region;
    std::shared_ptr<Device> device;
};

TEST_CASE("the state of a region device comes chunk by chunk, each whole", "[region]") {
    Adapted source({.chunks = kChunks});
    REQUIRE(source.device->traits().chunked);
    REQUIRE(source.device->set_state(DeviceState::stop_copy).ok());
    CHECK(source.read_all() == kChunks);
    CHECK(source.read_all().empty());
    REQUIRE(source.device->set_state(DeviceState::stop).ok());
    CHECK(source.region->complaint().empty());

    SECTION("and once more in a new save") {
        REQUIRE(source.device->set_state(DeviceState::stop_copy).ok());
        CHECK(source.read_all(64 * 1024) == kChunks);
        CHECK(source.region->complaint().empty());
    }
}

TEST_CASE("asking how much is pending changes nothing", "[region]") {
    Adapted source({.chunks = kChunks});
    CHECK(source.device->stop_copy_size().value == 0);
    REQUIRE(source.device->set_state(DeviceState::stop_copy).ok());
    std::uint64_t left = 1000 + 1 + 64 * 1024 + 7;
    std::vector<std::byte> buffer(1U << 20U);
    for (const auto& chunk : kChunks) {
        for (int again = 0; again < 3; ++again)
            CHECK(source.device->stop_copy_size().value == left);
        CHECK(source.device->read(buffer).value == chunk.size());
        left -= chunk.size();
    }
    CHECK(source.device->stop_copy_size().value == 0);
    CHECK(source.read_all().empty());
    CHECK(source.region->complaint().empty());
}

TEST_CASE("a chunk whose read fails, or does not fit, is read again", "[region]") {
    Adapted source({.chunks = kChunks});
    REQUIRE(source.device->set_state(DeviceState::stop_copy).ok());
    std::vector<std::byte> small(999);
    const CallResult refused = source.device->read(small);
    CHECK(refused.error == std::errc::message_size);
    CHECK(refused.detail ==
          "a chunk of 1000 bytes does not fit into a call of 999, and a chunk "
          "stays whole: use a larger packet size");
    source.region->fail_next_read();
    std::vector<std::byte> large(1000);
    CHECK_FALSE(source.device->read(large).ok());
    CHECK(source.read_all() == kChunks);
    CHECK(source.region->complaint().empty());
}

TEST_CASE("an empty chunk is nothing yet while it runs, and wrong when it is stopped", "[region]") {
    Adapted source({.chunks = kChunks, .early = kEarly, .has_pre_copy = true, .nothing_yet = true});
    std::vector<std::byte> buffer(1U << 20U);
    SECTION("while it runs") {
        REQUIRE(source.device->set_state(DeviceState::pre_copy).ok());
        CHECK(source.device->read(buffer).value == 0);
        CHECK(source.read_all() == kEarly);
    }
    SECTION("when it is stopped") {
        REQUIRE(source.device->set_state(DeviceState::stop_copy).ok());
        CHECK_THAT(source.device->read(buffer).detail, Catch::Contains("prepares none"));
    }
}

TEST_CASE("a chunk that was prepared while it ran is given when it has stopped", "[region]") {
    Adapted source({.chunks = kChunks, .early = kEarly, .has_pre_copy = true});
    REQUIRE(source.device->set_state(DeviceState::pre_copy).ok());
    PreCopySizes sizes;
    REQUIRE(source.device->pre_copy_sizes(sizes).ok());
    CHECK(sizes.initial_bytes == 0);
    CHECK(sizes.dirty_bytes == 340);
    std::vector<std::byte> small(10);
    CHECK_FALSE(source.device->read(small).ok());
    REQUIRE(source.device->set_state(DeviceState::stop_copy).ok());
    Chunks all = kEarly;
    all.insert(all.end(), kChunks.begin(), kChunks.end());
    CHECK(source.read_all() == all);
    CHECK(source.region->complaint().empty());
}

TEST_CASE("each write is a chunk, and the config state comes when it likes", "[region]") {
    const auto config = pattern(70, 9);
    const std::size_t config_at = GENERATE(std::size_t{0}, std::size_t{2}, std::size_t{4});
    Adapted destination({.chunks = kChunks});
    Device& device = *destination.device;
    REQUIRE(device.set_state(DeviceState::resuming).ok());
    for (std::size_t index = 0; index <= kChunks.size(); ++index) {
        if (index == config_at) REQUIRE(device.load_config(config).ok());
        // A DATA_STATE of size 0, as version 1 sources send it.
        CHECK(device.write({}).ok());
        if (index < kChunks.size()) REQUIRE(device.write(kChunks[index]).ok());
    }
    REQUIRE(device.set_state(DeviceState::stop).ok());
    CHECK(destination.region->loaded() == kChunks);
    CHECK(destination.region->loaded_config() == config);
    CHECK(destination.region->complaint().empty());
}

TEST_CASE("a chunk that does not fit into the region is refused before it is written", "[region]") {
    Adapted destination({.chunks = kChunks, .window_bytes = 999});
    REQUIRE(destination.device->set_state(DeviceState::resuming).ok());
    const CallResult refused = destination.device->write(kChunks[0]);
    CHECK(refused.detail ==
          "a chunk of 1000 bytes does not fit into the 999 of this device's region");
    CHECK(destination.region->complaint().empty());
}

TEST_CASE("a region device that takes no config state refuses one", "[region]") {
    class Plain : public RegionDevice {
      public:
        RegionState state() override { return RegionState::resuming; }
        CallResult set_state(RegionState) override { return CallResult::success(); }
        CallResult pending_bytes() override { return CallResult::success(); }
        CallResult prepare(RegionChunk&) override { return CallResult::success(); }
        CallResult read(std::uint64_t, std::span<std::byte>) override { return {}; }
        CallResult prepare_write(RegionChunk&) override { return CallResult::success(); }
        CallResult write(std::uint64_t, std::span<const std::byte>) override { return {}; }
        CallResult written(std::uint64_t) override { return CallResult::success(); }
        CallResult reset() override { return CallResult::success(); }
    };
    const auto device = make_region_adapter(std::make_shared<Plain>());
    CHECK(device->load_config({}).ok());
    CHECK_FALSE(device->load_config(pattern(1)).ok());
}

TEST_CASE("the adapter refuses what belongs to another state", "[region]") {
    Adapted one({.chunks = kChunks});
    std::vector<std::byte> bytes(10);
    PreCopySizes sizes;
    CHECK_FALSE(one.device->read(bytes).ok());
    CHECK_FALSE(one.device->write(bytes).ok());
    CHECK_FALSE(one.device->save_config(bytes).ok());
    CHECK_FALSE(one.device->load_config(bytes).ok());
    CHECK_FALSE(one.device->pre_copy_sizes(sizes).ok());
    CHECK(one.device->set_state(DeviceState::pre_copy).detail ==
          "no way from state running to pre-copy");
    CHECK(one.region->complaint().empty());
}

TEST_CASE("an adapted region device passes the conformance check", "[region]") {
    const bool pre_copy = GENERATE(false, true);
    StrictRegionDevice::Script script{.chunks = kChunks, .config = pattern(70, 9)};
    script.has_pre_copy = pre_copy;
    if (pre_copy) script.early = kEarly;
    std::shared_ptr<StrictRegionDevice> source;
    CheckSettings settings;
    settings.call_timeout = std::chrono::seconds(20);
    const CheckReport report = check_conformance(
        [&] {
            Adapted one(script);
            source = one.region;
            return CheckedDevices{one.device, one.device};
        },
        settings);
    for (const CheckedItem& item : report.items)
        UNSCOPED_INFO(item.item.name << ": " << item.reason);
    CHECK(report.result == CheckResult::passed);
    CHECK(source->complaint().empty());
}

}  // namespace
}  // namespace multifd
