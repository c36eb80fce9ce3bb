#include <catch2/catch.hpp>
#include <future>
#include <new>
#include <stdexcept>
#include <thread>

#include "engine/devices/fault_plan.hpp"
#include "engine/devices/memory_device.hpp"
#include "tests/engine/devices/device_transfer.hpp"

namespace multifd {
namespace {

using test::Bytes;
using test::load;
using test::make_destination;
using test::make_source;
using test::save;

TEST_CASE("a read fails in the call that reaches the byte, once", "[memory_faults]") {
    const auto source = make_source("size=100000,fail=read:8KiB");
    REQUIRE(source->set_state(DeviceState::stop_copy).ok());
    Bytes bytes(4096);
    CHECK(source->read(bytes).ok());
    CHECK(source->read(bytes).ok());
    const CallResult failed = source->read(bytes);
    CHECK(failed.error == std::errc::io_error);
    CHECK(failed.detail == "failure injected in read");
    CHECK(source->state() == DeviceState::stop_copy);
    CHECK(source->read(bytes).ok());
}

TEST_CASE("every other step fails when it is told to", "[memory_faults]") {
    const auto saved = save(*make_source("size=100000"));
    CHECK(load(*make_destination("fail=write"), saved).detail == "failure injected in write");
    CHECK(load(*make_destination("fail=write:99999"), saved).detail == "failure injected in write");
    CHECK(load(*make_destination("fail=write:100000"), saved).ok());
    CHECK(load(*make_destination("fail=config"), saved).detail ==
          "failure injected in load-config");
    CHECK_FALSE(load(*make_destination("reject=on"), saved).ok());
    CHECK_FALSE(load(*make_destination("fail=set-state:resuming"), saved).ok());

    const auto source = make_source("fail=config");
    REQUIRE(source->set_state(DeviceState::stop_copy).ok());
    Bytes config;
    CHECK(source->save_config(config).detail == "failure injected in save-config");
    CHECK(make_source("fail=sizes")->stop_copy_size().error == std::errc::io_error);
    CHECK(make_source("fail=dma-logging")->stop_dma_logging().error == std::errc::io_error);
    CHECK(make_source("fail=reset")->reset().error == std::errc::io_error);
}

TEST_CASE("a failed state change ends in ERROR, which only a reset leaves", "[memory_faults]") {
    const auto source = make_source("fail=set-state:stop");
    const CallResult failed = source->set_state(DeviceState::stop_copy);
    CHECK(failed.detail == "failure injected in set-state");
    CHECK(source->state() == DeviceState::error);
    CHECK(source->set_state(DeviceState::running).detail == "no way from state error to running");
    Bytes bytes(10);
    CHECK_FALSE(source->read(bytes).ok());
    REQUIRE(source->reset().ok());
    CHECK(source->state() == DeviceState::running);
    CHECK(source->set_state(DeviceState::stop_copy).ok());
}

TEST_CASE("a rejected state stays rejected", "[memory_faults]") {
    const auto destination = make_destination("reject=on");
    const auto saved = save(*make_source("size=1000"));
    CHECK(load(*destination, saved).detail == "state rejected, as asked by reject=on");
    CHECK(destination->state() == DeviceState::resuming);
    CHECK_FALSE(destination->set_state(DeviceState::stop).ok());
    REQUIRE(destination->reset().ok());
    CHECK(destination->set_state(DeviceState::stop).ok());
}

TEST_CASE("exceptions are thrown where they are asked for", "[memory_faults]") {
    const auto throwing = make_source("throw=set-state:stop");
    CHECK_THROWS_AS(throwing->set_state(DeviceState::stop), std::runtime_error);
    const auto exhausted = make_source("exhaust=read");
    REQUIRE(exhausted->set_state(DeviceState::stop_copy).ok());
    Bytes bytes(10);
    CHECK_THROWS_AS(exhausted->read(bytes), std::bad_alloc);
}

/// A device with a real clock, described as on a command line.
std::shared_ptr<Device> real_device(const std::string& options) {
    return make_device(parse_device_spec("memory,idstr=gpu0," + options), Role::source).device;
}

TEST_CASE("a hanging call ends when it is interrupted", "[memory_faults]") {
    const auto device = real_device("hang=set-state:stop");
    auto call =
        std::async(std::launch::async, [&] { return device->set_state(DeviceState::stop); });
    CHECK(call.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
    // The call clears an interrupt that comes before it, so one may not be enough.
    while (call.wait_for(std::chrono::milliseconds(1)) == std::future_status::timeout) {
        device->interrupt();
    }
    CHECK(call.get().error == std::errc::operation_canceled);
    CHECK(device->state() == DeviceState::running_p2p);
}

TEST_CASE("a stuck call does not return, interrupted or not", "[memory_faults]") {
    const auto device = real_device("stuck=sizes");
    std::promise<void> returned;
    auto future = returned.get_future();
    // Left behind, as an engine would; it holds the device and ends with the process.
    std::thread([device, promise = std::move(returned)]() mutable {
        static_cast<void>(device->stop_copy_size());
        promise.set_value();
    }).detach();
    device->interrupt();
    CHECK(future.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout);
}

TEST_CASE("a fault is written as STEP[:AT]", "[fault_plan]") {
    const auto read = parse_fault(FaultKind::fail, "read:1MiB");
    REQUIRE(read);
    CHECK(read->front().step == FaultStep::read);
    CHECK(read->front().at_bytes == 1U << 20U);
    const auto state = parse_fault(FaultKind::hang, "set-state:pre-copy-p2p");
    REQUIRE(state);
    CHECK(state->front().at_state == DeviceState::pre_copy_p2p);
    CHECK(parse_fault(FaultKind::fail, "config")->size() == 2);
    CHECK(parse_fault(FaultKind::fail, "set-state"));
    for (const char* text : {"", "reads", "read:", "read:x", "set-state:on", "config:1", "reset:1",
                             "sizes:stop", "load-config:"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_fault(FaultKind::fail, text));
    }
}

}  // namespace
}  // namespace multifd
