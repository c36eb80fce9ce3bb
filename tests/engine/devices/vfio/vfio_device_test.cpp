#include "engine/devices/vfio/vfio_device.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <thread>

#include "tests/engine/devices/vfio/scripted_driver.hpp"

namespace multifd::test {
namespace {

Bytes bytes(std::size_t count, unsigned seed = 1) {
    Bytes result(count);
    for (std::size_t i = 0; i < count; ++i) result[i] = static_cast<std::byte>(i * 7 + seed);
    return result;
}

/// A device on a scripted driver.
struct Bench {
    explicit Bench(DriverHabits habits = {}, VfioSettings settings = {})
        : driver(std::make_shared<ScriptedDriver>(habits)), device(make(settings)) {}

    std::unique_ptr<VfioDevice> make(VfioSettings settings) {
        VfioAttachment attachment;
        attachment.name = "0000:3b:00.2";
        attachment.device = VfioDescriptor(driver, ScriptedDriver::kDevice);
        return std::make_unique<VfioDevice>(driver, std::move(attachment), settings);
    }
    void go(DeviceState target) {
        const CallResult moved = device->set_state(target);
        INFO(moved.detail);
        REQUIRE(moved.ok());
    }
    /// Reads until 0.
    Bytes drain(std::size_t call_bytes = 300) {
        Bytes all;
        for (;;) {
            Bytes piece(call_bytes);
            const CallResult got = device->read(piece);
            INFO(got.detail);
            REQUIRE(got.ok());
            if (got.value == 0) return all;
            all.insert(all.end(), piece.begin(),
                       piece.begin() + static_cast<std::ptrdiff_t>(got.value));
        }
    }

    std::shared_ptr<ScriptedDriver> driver;
    std::unique_ptr<VfioDevice> device;
};

TEST_CASE("a VFIO device's traits are what its driver offers", "[vfio]") {
    const DeviceTraits full = Bench().device->traits();
    CHECK(full.kind == "vfio");
    CHECK((full.p2p && full.pre_copy && full.peer_dma && full.dma_logging));
    CHECK_FALSE(full.lends);
    const DeviceTraits plain =
        Bench({.p2p = false, .pre_copy = false, .dma_logging = false}).device->traits();
    CHECK(plain.peer_dma);
    CHECK_FALSE((plain.p2p || plain.pre_copy || plain.dma_logging));
    CHECK_FALSE(Bench({}, {.pre_copy = false}).device->traits().pre_copy);
}

TEST_CASE("a device whose driver cannot migrate is refused by name", "[vfio]") {
    CHECK_THROWS_WITH(Bench({.migration = false}),
                      Catch::StartsWith("0000:3b:00.2: its driver offers no migration; it needs"));
    CHECK_THROWS_WITH(Bench({.pci = false}, {.config = VfioConfig::on}),
                      Catch::Contains("config=on"));
    CHECK_NOTHROW(Bench({.pci = false}));
}

TEST_CASE("a source's session has one data descriptor, closed when it is left", "[vfio]") {
    Bench bench;
    bench.driver->pre_copy_data = bytes(1700, 3);
    bench.driver->stop_copy_data = bytes(2500, 5);
    bench.go(DeviceState::pre_copy);
    CHECK(bench.driver->open_data.size() == 1);
    PreCopySizes sizes;
    REQUIRE(bench.device->pre_copy_sizes(sizes).ok());
    CHECK(sizes.initial_bytes == 1700);
    CHECK(sizes.dirty_bytes == 5);
    CHECK(bench.device->stop_copy_size().value == 2500);
    CHECK(bench.drain() == bytes(1700, 3));
    bench.go(DeviceState::pre_copy_p2p);
    bench.go(DeviceState::stop_copy);
    CHECK(bench.driver->open_data.size() == 1);
    CHECK(bench.drain() == bytes(2500, 5));
    bench.go(DeviceState::stop);
    CHECK(bench.driver->open_data.empty());
    using enum DeviceState;
    CHECK(bench.driver->visited == std::vector{pre_copy, pre_copy_p2p, stop_copy, stop});
}

TEST_CASE("the end of pre-copy data is nothing for now, whether ENOMSG or 0", "[vfio]") {
    const int end = GENERATE(ENOMSG, 0);
    Bench bench({.pre_copy_end = end});
    bench.driver->stop_copy_data = bytes(10);
    bench.go(DeviceState::pre_copy);
    Bytes piece(100);
    const CallResult nothing = bench.device->read(piece);
    CHECK(nothing.ok());
    CHECK(nothing.value == 0);
    bench.driver->pre_copy_data = bytes(30, 9);  // The device was written to.
    CHECK(bench.drain() == bytes(30, 9));
    bench.go(DeviceState::stop_copy);
    CHECK(bench.drain() == bytes(10));
}

TEST_CASE("ENOMSG after the stop is an error, not an end", "[vfio]") {
    Bench bench;
    bench.driver->stop_copy_data = bytes(10);
    bench.go(DeviceState::stop_copy);
    bench.driver->state = DeviceState::pre_copy;  // The driver answers as if it still pre-copied.
    bench.driver->stop_copy_data.clear();
    Bytes piece(100);
    const CallResult read = bench.device->read(piece);
    CHECK(read.error == std::errc::no_message);
}

TEST_CASE("interrupted and short system calls are taken up again", "[vfio]") {
    Bench source({.read_max = 7, .interruptions = 3});
    source.driver->stop_copy_data = bytes(100);
    source.go(DeviceState::stop_copy);
    CHECK(source.drain() == bytes(100));

    Bench destination({.write_max = 9, .interruptions = 3});
    destination.go(DeviceState::resuming);
    const CallResult wrote = destination.device->write(bytes(100));
    REQUIRE(wrote.ok());
    CHECK(wrote.value == 100);
    CHECK(destination.driver->taken == bytes(100));
    destination.go(DeviceState::stop);
    CHECK(destination.driver->open_data.empty());
}

TEST_CASE("a driver that takes nothing fails the write instead of looping", "[vfio]") {
    Bench bench({.write_max = 0});
    bench.go(DeviceState::resuming);
    CHECK(bench.device->write(bytes(1)).error == std::errc::io_error);
}

TEST_CASE("after a failed transition the device is asked where it is", "[vfio]") {
    using enum DeviceState;
    struct Case {
        const char* name;
        DeviceState target;
        int error;
        std::optional<DeviceState> left_in;
        DeviceState expected;
        const char* words;
        std::size_t open_after;
    };
    const auto failing = GENERATE(values<Case>({
        {"stays", stop_copy, EBUSY, std::nullopt, pre_copy_p2p, "from pre-copy-p2p to stop-copy",
         1},
        {"in ERROR", stop_copy, EIO, error, error, "it is in error now", 0},
        {"fell back", stop_copy, ENOMEM, running, running, "it is in running now", 0},
    }));
    INFO(failing.name);
    Bench bench({.failure = DriverHabits::Failure{failing.target, failing.error, failing.left_in}});
    bench.go(pre_copy);
    const CallResult moved = bench.device->set_state(failing.target);
    CHECK(moved.error == std::error_code(failing.error, std::generic_category()));
    CHECK_THAT(moved.detail, Catch::Contains(failing.words));
    CHECK(bench.device->state() == failing.expected);
    CHECK(bench.driver->open_data.size() == failing.open_after);
}

TEST_CASE("a state that RESUMING to STOP rejects can only be reset", "[vfio]") {
    Bench bench({.failure = DriverHabits::Failure{DeviceState::stop, EINVAL, std::nullopt}});
    bench.driver->state = DeviceState::stop;
    bench.go(DeviceState::resuming);
    CHECK_FALSE(bench.device->set_state(DeviceState::stop).ok());
    CHECK(bench.device->state() == DeviceState::resuming);
    bench.driver->habits.failure.reset();
    CHECK(bench.device->reset().ok());
    CHECK(bench.device->state() == DeviceState::running);
    CHECK(bench.driver->open_data.empty());
    bench.go(DeviceState::stop);
}

TEST_CASE("a device without reset says so, with the state it is stuck in", "[vfio]") {
    const int absent = GENERATE(ENOTTY, EINVAL);
    Bench bench({.reset_error = absent});
    bench.go(DeviceState::resuming);
    const CallResult reset = bench.device->reset();
    CHECK(reset.error == std::errc::not_supported);
    CHECK_THAT(reset.detail, Catch::Contains("has no reset and stays in resuming"));
    CHECK(bench.driver->open_data.empty());
}

TEST_CASE("a reset that fails, or leaves the device in ERROR, is an error", "[vfio]") {
    Bench failing({.reset_error = EIO});
    CHECK(failing.device->reset().error == std::errc::io_error);
    Bench broken({.after_reset = DeviceState::error});
    CHECK_THAT(broken.device->reset().detail, Catch::Contains("a reset left it in error"));
}

TEST_CASE("a driver that breaks the rules of data descriptors fails the transition", "[vfio]") {
    Bench without({.forgets_data_fd = true});
    CHECK_THAT(without.device->set_state(DeviceState::stop_copy).detail,
               Catch::Contains("gave no data descriptor"));
    Bench extra({.extra_data_fd = true});
    extra.go(DeviceState::pre_copy);
    CHECK_THAT(extra.device->set_state(DeviceState::stop_copy).detail,
               Catch::Contains("gave another data descriptor"));
    CHECK(extra.driver->open_data.size() == 1);  // The first; the other was closed, not mixed in.
    extra.device.reset();
    CHECK(extra.driver->open_data.empty());
    CHECK_FALSE(extra.driver->device_open);
}

TEST_CASE("a driver that says it moved and did not is found out", "[vfio]") {
    Bench bench({.lies = true});
    const CallResult moved = bench.device->set_state(DeviceState::stop);
    CHECK(moved.error == std::errc::state_not_recoverable);
    CHECK_THAT(moved.detail, Catch::Contains("it is in running"));
}

TEST_CASE("a device that does not tell its state fails what needs it", "[vfio]") {
    Bench bench;
    bench.driver->habits.state_error = ENODEV;
    CHECK_THROWS_WITH(bench.device->state(), Catch::Contains("does not tell its state"));
    CHECK(bench.device->set_state(DeviceState::stop).error == std::errc::no_such_device);
}

TEST_CASE("reading and writing need a session that this device began", "[vfio]") {
    Bench bench;
    Bytes piece(10);
    CHECK_FALSE(bench.device->read(piece).ok());
    CHECK_FALSE(bench.device->write(piece).ok());
    PreCopySizes sizes;
    CHECK_FALSE(bench.device->pre_copy_sizes(sizes).ok());
    bench.driver->state = DeviceState::stop_copy;  // Left so by somebody before.
    CHECK_FALSE(bench.device->read(piece).ok());
    bench.go(DeviceState::stop);
    bench.go(DeviceState::stop_copy);
    CHECK(bench.device->read(piece).ok());
}

TEST_CASE("interrupt() ends a read that waits for the driver, until the next transition",
          "[vfio]") {
    Bench bench({.never_ready = true});
    bench.driver->stop_copy_data = bytes(10);
    bench.go(DeviceState::stop_copy);
    Bytes piece(10);
    std::thread other([&] { bench.device->interrupt(); });
    CHECK(bench.device->read(piece).error == std::errc::operation_canceled);
    other.join();
    CHECK(bench.device->read(piece).error == std::errc::operation_canceled);
    bench.driver->habits.never_ready = false;
    bench.go(DeviceState::stop_copy);
    CHECK(bench.device->read(piece).value == 10);
    CHECK(bench.device->write(piece).error == std::errc::invalid_argument);
}

TEST_CASE("interrupt() ends a write between two pieces", "[vfio]") {
    Bench bench({.write_max = 1});
    bench.go(DeviceState::resuming);
    bench.device->interrupt();
    CHECK(bench.device->write(bytes(10)).error == std::errc::operation_canceled);
}

TEST_CASE("a size that the kernel cannot tell is 0, and reading goes by what comes", "[vfio]") {
    Bench bench({.data_size = false});
    bench.driver->stop_copy_data = bytes(5000);
    CHECK(bench.device->stop_copy_size().ok());
    CHECK(bench.device->stop_copy_size().value == 0);
    bench.go(DeviceState::stop_copy);
    CHECK(bench.drain() == bytes(5000));
}

TEST_CASE("DMA logging goes to the driver, page by page", "[vfio]") {
    Bench bench;
    const std::vector<DmaRange> ranges{{0x10000, 0x100000}};
    std::vector<std::uint64_t> bitmap(4);
    CHECK_FALSE(bench.device->report_dma_logging(ranges[0], 4096, bitmap).ok());
    CHECK(bench.device->start_dma_logging(4096, ranges).value == 4096);
    bench.driver->dirty_pages = {0x10000, 0x12000, 0x10000 + 65 * 4096};
    REQUIRE(bench.device->report_dma_logging(ranges[0], 4096, bitmap).ok());
    CHECK(bitmap == std::vector<std::uint64_t>{5, 2, 0, 0});
    std::vector<std::uint64_t> small(3);
    CHECK_FALSE(bench.device->report_dma_logging(ranges[0], 4096, small).ok());
    const DmaRange page_partly{ranges[0].iova, ranges[0].size + 1};
    CHECK(bench.device->report_dma_logging(page_partly, 4096, bitmap).error ==
          std::errc::invalid_argument);
    bitmap.push_back(0);
    CHECK(bench.device->report_dma_logging(page_partly, 4096, bitmap).ok());
    CHECK_FALSE(bench.device->report_dma_logging({ranges[0].iova, 0}, 4096, bitmap).ok());
    CHECK_FALSE(bench.device->report_dma_logging({0, ~std::uint64_t{0}}, 1, bitmap).ok());
    CHECK_FALSE(bench.device->report_dma_logging(ranges[0], 0, bitmap).ok());
    CHECK(bench.device->stop_dma_logging().ok());
    CHECK_FALSE(bench.device->stop_dma_logging().ok());
    Bench without({.dma_logging = false});
    CHECK(without.device->start_dma_logging(4096, ranges).error ==
          std::errc::inappropriate_io_control_operation);
}

TEST_CASE("the configuration space travels as the config state", "[vfio]") {
    Bench source({.read_max = 100});
    source.driver->config_space[0] = std::byte{0x48};
    source.driver->config_space[4] = std::byte{0x07};
    Bytes state;
    REQUIRE(source.device->save_config(state).ok());
    CHECK(state.size() == 4 + 256 + 16);

    Bench destination;
    destination.driver->config_space[0] = std::byte{0x48};
    const CallResult loaded = destination.device->load_config(state);
    INFO(loaded.detail);
    REQUIRE(loaded.ok());
    REQUIRE_FALSE(destination.driver->config_writes.empty());
    CHECK(destination.driver->config_writes.back() ==
          ConfigWriteSeen{4, {std::byte{0x07}, std::byte{0}}});

    destination.driver->config_writes.clear();
    destination.driver->config_space[0] = std::byte{0x49};
    CHECK_THAT(destination.device->load_config(state).detail,
               Catch::Contains("the source's device is another: PCI vendor 0x0048, here 0x0049"));
    CHECK(destination.driver->config_writes.empty());
}

TEST_CASE("a device without config state gives none, and takes none", "[vfio]") {
    Bench bench({}, {.config = VfioConfig::off});
    Bytes state(3);
    REQUIRE(bench.device->save_config(state).ok());
    CHECK(state.empty());
    CHECK(bench.device->load_config({}).ok());
    CHECK_THAT(bench.device->load_config(bytes(3)).detail, Catch::Contains("config=off"));
}

TEST_CASE("what probe tells of a device is what its kernel and driver say", "[vfio]") {
    Bench bench({.data_size = false});
    const auto facts = bench.device->facts();
    const auto fact = [&](std::string_view name) {
        const auto found =
            std::ranges::find(facts, name, [](const auto& pair) { return pair.first; });
        return found == facts.end() ? std::string("absent") : found->second;
    };
    CHECK(fact("name") == "0000:3b:00.2");
    CHECK(fact("interface") == "descriptor");
    CHECK(fact("reset") == "not advertised");
    CHECK(fact("size-known") == "no");
    CHECK(fact("config-bytes") == "256");
}

}  // namespace
}  // namespace multifd::test
