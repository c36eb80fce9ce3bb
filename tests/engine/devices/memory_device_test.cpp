#include "engine/devices/memory_device.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <thread>

#include "tests/engine/devices/device_transfer.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;
using test::Bytes;
using test::load;
using test::make_destination;
using test::make_source;
using test::save;

constexpr std::uint64_t kTiB = std::uint64_t{1} << 40U;

TEST_CASE("a plain state of any size arrives, with or without words about it at the destination",
          "[memory_device]") {
    const auto* const size =
        GENERATE("0", "1", "7", "8", "9", "4095", "4096", "4097", "1MiB", "1048577", "3000000");
    const auto* const more =
        GENERATE("", ",compressible=40", ",compressible=100", ",p2p=off", ",held=on", ",lend=on",
                 ",config-size=64", ",config-size=1MiB", ",state=stop");
    const auto seed = GENERATE(take(1, random(0U, ~0U)));
    CAPTURE(size, more, seed);
    const std::string options = std::string("seed=7,size=") + size + more;
    const auto source = make_source(options);
    const auto saved = save(*source, seed);
    CHECK(saved.state.size() == source->content().bytes);

    const auto told = make_destination(options);
    const CallResult loaded = load(*told, saved, seed + 1);
    CHECK(loaded.detail == "");
    REQUIRE(loaded.ok());
    CHECK(told->content() == source->content());
    CHECK(told->set_state(DeviceState::running).ok());

    const auto untold = make_destination("");
    const CallResult learnt = load(*untold, saved, seed + 2);
    CHECK(learnt.detail == "");
    REQUIRE(learnt.ok());
    CHECK(untold->content() == source->content());
}

TEST_CASE("a loaded state can be sent on, and is the same", "[memory_device]") {
    const auto* const options = GENERATE("size=1000000,seed=3", "size=1000000,seed=3,held=on");
    const auto first = make_source(options);
    const auto second = make_destination(options);
    const auto saved = save(*first);
    REQUIRE(load(*second, saved).ok());
    const auto again = save(*second);
    CHECK(again.state == saved.state);
    CHECK(again.config == saved.config);
}

TEST_CASE("without config state a destination that knows the size still judges",
          "[memory_device]") {
    const auto source = make_source("size=5,seed=9,config-size=0");
    const auto saved = save(*source);
    CHECK(saved.config.empty());
    const auto destination = make_destination("size=5,seed=9,config-size=0");
    CHECK(load(*destination, saved).ok());
    CHECK(load(*make_destination("size=6,seed=9,config-size=0"), saved).detail ==
          "the state is short: 5 of 6 bytes");
    CHECK_FALSE(load(*make_destination("size=5,seed=8,config-size=0"), saved).ok());
    CHECK_THAT(load(*make_destination("size=5,seed=9"), saved).detail,
               Catch::Contains("config state"));
}

TEST_CASE("a device of other options is refused as the wrong one, saying what differs",
          "[memory_device]") {
    const std::string form = GENERATE("", "precopy=on,");
    struct Case {
        const char* options;
        const char* message;
    };
    const auto wrong = GENERATE(
        values<Case>({{"size=99999", "size is 99999 here, the source's is 100000"},
                      {"size=100001", "size is 100001 here, the source's is 100000"},
                      {"seed=8", "seed is 8 here, the source's is 7"},
                      {"compressible=11", "compressible is 11 here, the source's is 10"},
                      {"config-size=5000", "config-size is 5000 here, the source's is 4096"}}));
    CAPTURE(form, wrong.options);
    const auto source = make_source(form + "size=100000,seed=7,compressible=10");
    const auto destination = make_destination(wrong.options);
    const CallResult result = load(*destination, save(*source));
    REQUIRE_FALSE(result.ok());
    const bool too_long = result.detail == "the state is longer than 99999";
    if (!too_long) CHECK_THAT(result.detail, Catch::Contains(wrong.message));
    CHECK(destination->state() == DeviceState::resuming);
}

TEST_CASE("a short state of another seed is the wrong device's, by its config", "[memory_device]") {
    const auto saved = save(*make_source("size=3,seed=1"));
    CHECK(load(*make_destination("seed=2"), saved).detail ==
          "wrong device: seed is 2 here, the source's is 1");
}

TEST_CASE("a device of 1 TiB: its size, its first and last bytes, and no memory for it",
          "[memory_device]") {
    const auto source = make_source("size=1TiB,seed=5");
    REQUIRE(source->stop_copy_size().value == kTiB);
    REQUIRE(source->set_state(DeviceState::stop_copy).ok());
    Bytes bytes(1U << 20U);
    REQUIRE(source->read(bytes).value == bytes.size());
    CHECK(source->stop_copy_size().value == kTiB - bytes.size());
    const StateContent content({5, 0});
    CHECK_FALSE(content.first_wrong(bytes, {0, 0}));
    content.fill(bytes, {kTiB - bytes.size(), 0});
    CHECK_FALSE(content.first_wrong(bytes, {kTiB - bytes.size(), 0}));

    Bytes config;
    REQUIRE(source->save_config(config).ok());
    const auto destination = make_destination("");
    const CallResult result = load(*destination, {bytes, config});
    CHECK_FALSE(result.ok());

    const auto records = make_source("size=1TiB,seed=5,precopy=on,dirty-rate=1TiB/s");
    REQUIRE(records->set_state(DeviceState::pre_copy).ok());
    PreCopySizes sizes;
    REQUIRE(records->pre_copy_sizes(sizes).ok());
    // A head of 48 bytes for each MiB, and the opening one.
    CHECK(sizes.initial_bytes == (1U << 20U) + 48);
    CHECK(sizes.dirty_bytes == kTiB - (1U << 20U) + ((1U << 20U) - 1) * 48 + 48);
    records.clock->pass(100h);
    REQUIRE(records->pre_copy_sizes(sizes).ok());
    CHECK(sizes.initial_bytes == 0);
    CHECK(records->content().writes == (360'001ULL << 28U));
    REQUIRE(records->read(bytes).ok());
}

TEST_CASE("the rates hold, and no single read waits long", "[memory_device]") {
    const auto source = make_source("size=20MiB,read-rate=10MiB/s");
    REQUIRE(source->set_state(DeviceState::stop_copy).ok());
    Bytes buffer(4U << 20U);
    std::uint64_t bytes = 0;
    while (const std::uint64_t got = source->read(buffer).value) bytes += got;
    CHECK(bytes == 20U << 20U);
    CHECK(source.clock->seconds() == Approx(2.0).margin(0.01));
    CHECK(source.clock->longest_wait() < 60ms);

    const auto destination = make_destination("write-rate=5MiB/s");
    REQUIRE(load(*destination, save(*make_source("size=20MiB"))).ok());
    CHECK(destination.clock->seconds() == Approx(4.0).margin(0.01));
}

TEST_CASE("an interrupt ends a paced call, and what follows, until the next state",
          "[memory_device]") {
    const auto source = make_source("size=20MiB,read-rate=1MiB/s");
    REQUIRE(source->set_state(DeviceState::stop_copy).ok());
    Bytes buffer(1U << 20U);
    source.clock->interrupt_wait(2);
    REQUIRE(source->read(buffer).ok());
    CHECK(source->read(buffer).error == std::errc::operation_canceled);
    CHECK(source->read(buffer).error == std::errc::operation_canceled);
    REQUIRE(source->set_state(DeviceState::stop).ok());
    REQUIRE(source->set_state(DeviceState::stop_copy).ok());
    CHECK(source->read(buffer).ok());

    const auto destination = make_destination("write-rate=1MiB/s");
    REQUIRE(destination->set_state(DeviceState::resuming).ok());
    destination->interrupt();
    CHECK(destination->write(buffer).error == std::errc::operation_canceled);
    REQUIRE(destination->reset().ok());
    CHECK(destination->state() == DeviceState::running);
}

TEST_CASE("an interrupt of another thread ends a wait of a real clock at once", "[memory_device]") {
    MemoryOptions options;
    options.size = 1U << 20U;
    options.read_rate = 1;
    MemoryDevice device(options);
    REQUIRE(device.set_state(DeviceState::stop_copy).ok());
    Bytes buffer(4096);
    std::jthread other([&device] { device.interrupt(); });
    // At 1 byte per second this would take more than an hour.
    CHECK(device.read(buffer).error == std::errc::operation_canceled);
}

TEST_CASE("lent memory is the state, and is checked as a whole in the end", "[memory_device]") {
    const auto source = make_source("size=100000,seed=7,lend=on");
    CHECK(source->traits().lends);
    CHECK(source->lend().empty());
    REQUIRE(source->set_state(DeviceState::stop_copy).ok());
    const auto lent = source->lend();
    REQUIRE(lent.size() == 100000);
    Bytes config;
    REQUIRE(source->save_config(config).ok());

    const auto destination = make_destination("size=100000,seed=7,lend=on");
    REQUIRE(destination->set_state(DeviceState::resuming).ok());
    const auto target = destination->lend();
    REQUIRE(target.size() == 100000);
    const std::size_t place = GENERATE(100000U, 0U, 50000U, 99999U);
    const bool in_order = GENERATE(true, false);
    CAPTURE(place, in_order);
    std::memcpy(target.data(), lent.data(), lent.size());
    if (!in_order) {
        CHECK_FALSE(destination->wrote_lent(target.subspan(4096, 4096)).ok());
        CHECK_FALSE(destination->wrote_lent(lent.first(4096)).ok());
        return;
    }
    CHECK(destination->wrote_lent(target.first(65536)).value == 65536);
    CHECK(destination->wrote_lent(target.subspan(65536)).ok());
    CHECK_FALSE(destination->wrote_lent(target.first(1)).ok());
    REQUIRE(destination->load_config(config).ok());
    if (place < lent.size()) target[place] ^= std::byte{1};
    const CallResult result = destination->set_state(DeviceState::stop);
    CHECK(result.ok() == (place == lent.size()));
    if (!result.ok()) {
        CHECK_THAT(result.detail, Catch::Contains("offset " + std::to_string(place) + " is wrong"));
        return;
    }
    CHECK(destination->content() == source->content());
    CHECK(std::ranges::equal(destination->held(), source->held()));
    CHECK(destination->lend().empty());
}

TEST_CASE("reset forgets what was loaded, and runs the device's own state", "[memory_device]") {
    const auto source = make_source("size=10000,seed=7");
    const auto destination = make_destination("size=10000,held=on");
    const MemoryContent own = destination->content();
    const auto saved = save(*source);
    SECTION("after a load that ended") {
        REQUIRE(load(*destination, saved).ok());
    }
    SECTION("in a load") {
        REQUIRE(destination->set_state(DeviceState::resuming).ok());
        REQUIRE(destination->write(std::span(saved.state).first(5000)).ok());
    }
    REQUIRE(destination->reset().ok());
    CHECK(destination->state() == DeviceState::running);
    CHECK(destination->content() == own);
    const auto own_saved = save(*destination);
    CHECK_FALSE(StateContent({0, 0}).first_wrong(own_saved.state, {0, 0}));
}

TEST_CASE("calls in the wrong state are refused, naming it", "[memory_device]") {
    const auto device = make_source("precopy=on");
    Bytes bytes(10);
    PreCopySizes sizes;
    CHECK(device->read(bytes).detail == "read needs state stop-copy, the device is in running");
    CHECK(device->write(bytes).detail == "write needs state resuming, the device is in running");
    CHECK(device->wrote_lent(bytes).error == std::errc::invalid_argument);
    CHECK(device->save_config(bytes).error == std::errc::invalid_argument);
    CHECK(device->load_config(bytes).error == std::errc::invalid_argument);
    CHECK(device->pre_copy_sizes(sizes).error == std::errc::invalid_argument);
    CHECK(device->set_state(DeviceState::error).detail == "no way from state running to error");
    REQUIRE(device->set_state(DeviceState::stop_copy).ok());
    CHECK(device->set_state(DeviceState::pre_copy).detail ==
          "no way from state stop-copy to pre-copy");
    CHECK(device->state() == DeviceState::stop_copy);
}

TEST_CASE("traits say what the options say", "[memory_device]") {
    const auto plain = make_source("")->traits();
    CHECK(plain.kind == "memory");
    CHECK(plain.p2p);
    CHECK_FALSE(plain.pre_copy);
    CHECK_FALSE(plain.lends);
    CHECK_FALSE(plain.peer_dma);
    const auto other = make_source("precopy=on,p2p=off")->traits();
    CHECK(other.pre_copy);
    CHECK_FALSE(other.p2p);
    CHECK(make_source("state=stop")->state() == DeviceState::stop);
    CHECK(make_source("")->state() == DeviceState::running);
}

}  // namespace
}  // namespace multifd
