#include "multifd/conformance.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <stdexcept>

#include "tests/engine/conformance/conformance_fixture.hpp"
#include "tests/engine/conformance/wrong_devices.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

using test::AlteredDevice;
using test::describe;
using test::item_of;
using test::memory_pair;
using test::one_memory_device;
using test::quick_settings;

CheckReport check(const CheckedDevices& devices, const CheckSettings& settings = quick_settings()) {
    return check_conformance([&devices] { return devices; }, settings);
}

TEST_CASE("memory devices of every kind pass", "[conformance]") {
    const std::string options =
        GENERATE(as<std::string>{}, "size=300000", "size=0", "size=1", "size=1MiB,held=on",
                 "size=1MiB,lend=on", "p2p=off", "size=300000,precopy=on,dirty-rate=1MiB",
                 "size=300000,precopy=on,p2p=off", "size=1MiB,config-size=0",
                 "size=2MiB,read-rate=1GiB,write-rate=1GiB", "state=stop");
    const bool pair = GENERATE(true, false);
    const CheckReport report = check(pair ? memory_pair(options) : one_memory_device(options));
    INFO(options << (pair ? ", two devices" : ", one device") << "\n" << describe(report));
    CHECK(report.result == CheckResult::passed);
    CHECK_FALSE(report.failure);
    CHECK(report.repetitions == 1);
    const bool pre_copies = options.find("precopy=on") != std::string::npos;
    const bool lends = options.find("lend=on") != std::string::npos;
    for (const CheckedItem& item : report.items) {
        const bool of_pre_copy = item.item.name.find("pre-copy") != std::string_view::npos;
        const bool applies = item.item.name == "lent-memory"       ? lends
                             : item.item.name == "truncated-state" ? options != "size=0"
                                                                   : pre_copies || !of_pre_copy;
        INFO(item.item.name);
        CHECK(item.result == (applies ? CheckResult::passed : CheckResult::skipped));
        CHECK(item.repetition == 1);
    }
}

TEST_CASE("file devices pass", "[conformance]") {
    const TemporaryFolder folder;
    write_text(folder / "source.state", std::string(200'000, 'x') + "end");
    write_text(folder / "source.config", "config");
    const std::string source = "file,idstr=gpu0,path=" + (folder / "source.state") +
                               ",config=" + (folder / "source.config");
    const std::string target = "file,idstr=gpu0,path=" + (folder / "arrived.state") +
                               ",config=" + (folder / "arrived.config");
    const CheckReport report = check({test::make_checked(source, Role::source),
                                      test::make_checked(target, Role::destination),
                                      [&] { return test::make_checked(target, Role::source); }});
    INFO(describe(report));
    CHECK(report.result == CheckResult::passed);
    CHECK(item_of(report, "round-trip").reason.empty());
    CHECK(item_of(report, "truncated-state").result == CheckResult::skipped);
    CHECK(read_text(folder / "arrived.state") == read_text(folder / "source.state"));
    CHECK(read_text(folder / "arrived.config") == "config");
}

TEST_CASE("what was loaded from a file device is compared with what it wrote", "[conformance]") {
    const TemporaryFolder folder;
    write_text(folder / "source.state", "state");
    write_text(folder / "other.state", "other");
    const std::string source = "file,idstr=gpu0,path=" + (folder / "source.state");
    const std::string target = "file,idstr=gpu0,path=" + (folder / "arrived.state");
    const std::string other = "file,idstr=gpu0,path=" + (folder / "other.state");
    CheckedDevices devices{test::make_checked(source, Role::source),
                           test::make_checked(target, Role::destination)};

    SECTION("by its reader, which finds a difference") {
        devices.reader = [&] { return test::make_checked(other, Role::source); };
        const CheckReport report = check(devices);
        REQUIRE(report.failure);
        CHECK(report.failure->item == "round-trip");
        CHECK(report.failure->loaded_state.size() == 5);
    }
    SECTION("by nobody without one, which is said") {
        const CheckReport report = check(devices);
        CHECK(report.result == CheckResult::passed);
        CHECK(item_of(report, "round-trip").reason ==
              "nothing was compared: the destination gives no state");
    }
}

TEST_CASE("a device that only saves needs another one to load", "[conformance]") {
    const TemporaryFolder folder;
    write_text(folder / "source.state", "state");
    const auto device =
        test::make_checked("file,idstr=gpu0,path=" + (folder / "source.state"), Role::source);
    const CheckReport report = check({device, device});
    REQUIRE(report.failure);
    CHECK(report.failure->item == "round-trip");
    CHECK(report.failure->reason.find("needs another device as destination") != std::string::npos);
}

TEST_CASE("a wrong device fails at the item that is about it", "[conformance]") {
    const auto wrong_devices = test::wrong_devices();
    const std::size_t index = GENERATE_COPY(range(std::size_t{0}, wrong_devices.size()));
    const test::WrongDevice& wrong = wrong_devices[index];
    CheckedDevices devices = memory_pair(wrong.options);
    std::shared_ptr<Device>& altered = wrong.destination ? devices.destination : devices.source;
    REQUIRE(altered->set_state(wrong.initial).ok());
    altered = std::make_shared<AlteredDevice>(altered, wrong.make());

    CheckSettings settings = quick_settings();
    settings.state_bytes_max = std::uint64_t{64} << 20U;
    const CheckReport report = check(devices, settings);

    INFO(wrong.name << "\n" << describe(report));
    CHECK(report.result == CheckResult::failed);
    REQUIRE(report.failure);
    CHECK(report.failure->item == wrong.item);
    CHECK_THAT(report.failure->reason, Catch::Contains(wrong.reason));
    CHECK(report.repetitions == 0);
    bool reached = true;
    for (const CheckedItem& item : report.items) {
        INFO(item.item.name);
        const bool failed = item.item.name == wrong.item;
        CHECK((item.result == CheckResult::failed) == failed);
        CHECK((item.repetition == 1) == reached);
        reached = reached && !failed;
    }
}

TEST_CASE("every item has a wrong device that it finds", "[conformance]") {
    const auto wrong_devices = test::wrong_devices();
    for (const CheckItem& item : check_items()) {
        INFO(item.name);
        CHECK(std::ranges::any_of(wrong_devices,
                                  [&](const auto& wrong) { return wrong.item == item.name; }));
    }
}

TEST_CASE("an injected fault fails the item that meets it", "[conformance]") {
    struct Case {
        const char* fault;
        const char* item;
        const char* reason;
    };
    const auto fault = GENERATE(values<Case>({
        {"fail=read", "stream-end", "failure injected in read"},
        {"fail=save-config", "stream-end", "failure injected in save-config"},
        {"fail=set-state:stop-copy", "stream-end", "the device is now in error"},
        {"throw=read", "stream-end", "threw: exception injected in read"},
        {"exhaust=read", "stream-end", "threw"},
        {"fail=write", "round-trip", "failure injected in write"},
        {"fail=load-config", "round-trip", "failure injected in load-config"},
        {"fail=set-state:resuming", "round-trip", "failure injected in set-state"},
        {"reject=on", "round-trip", "as asked by reject=on"},
        {"fail=reset", "reset", "failure injected in reset"},
        {"fail=sizes", "sizes", "failure injected in sizes"},
        {"fail=dma-logging", "dma-logging", "failure injected in dma-logging"},
    }));
    const CheckReport report = check(one_memory_device(std::string("size=100000,") + fault.fault));
    INFO(fault.fault << "\n" << describe(report));
    REQUIRE(report.failure);
    CHECK(report.failure->item == fault.item);
    CHECK_THAT(report.failure->reason, Catch::Contains(fault.reason));
}

TEST_CASE("a state without its end that is taken is no failure, but said", "[conformance]") {
    CheckedDevices devices = memory_pair("size=300000,config-size=64");
    AlteredDevice::Alterations takes_all;
    takes_all.set_state = [](Device& inner, DeviceState target) {
        const CallResult made = inner.set_state(target);
        if (made.ok() || target != DeviceState::stop) return made;
        (void)inner.reset();
        return inner.set_state(target);
    };
    devices.destination = std::make_shared<AlteredDevice>(devices.destination, takes_all);
    const CheckReport report = check(devices);
    INFO(describe(report));
    CHECK(report.result == CheckResult::passed);
    const CheckedItem& item = item_of(report, "truncated-state");
    CHECK(item.result == CheckResult::skipped);
    CHECK_THAT(item.reason, Catch::Contains("is taken as a whole one"));
}

TEST_CASE("a device without reset is checked as far as that goes", "[conformance]") {
    CheckedDevices devices = memory_pair("size=300000,config-size=64");
    AlteredDevice::Alterations without;
    without.reset = [](Device&) { return CallResult::failure(std::errc::not_supported, "none"); };
    devices.source = std::make_shared<AlteredDevice>(devices.source, without);
    devices.destination = std::make_shared<AlteredDevice>(devices.destination, without);
    const CheckReport report = check(devices);
    INFO(describe(report));
    CHECK(report.result == CheckResult::passed);
    CHECK(item_of(report, "transitions").result == CheckResult::passed);
    for (const char* name : {"reset", "abandoned-resume", "interrupted-load", "truncated-state"}) {
        CHECK(item_of(report, name).result == CheckResult::skipped);
    }
}

TEST_CASE("a state as large as the limit passes, and a larger one does not", "[conformance]") {
    CheckSettings settings = quick_settings();
    settings.items = {"stream-end"};
    settings.state_bytes_max = 1U << 20U;
    CHECK(check(memory_pair("size=1MiB"), settings).result == CheckResult::passed);
    const CheckReport report = check(memory_pair("size=1048577"), settings);
    REQUIRE(report.failure);
    CHECK(report.failure->reason ==
          "source: read() in stop-copy has given 1048577 bytes without an end, and 1MiB is the "
          "most that is taken; --max-state sets another limit");
}

TEST_CASE("what differs from save to save is not compared", "[conformance]") {
    CheckedDevices devices = memory_pair("size=100000,config-size=64");
    const auto saves = std::make_shared<unsigned char>();
    AlteredDevice::Alterations stamped;
    stamped.read = [saves](Device& inner, std::span<std::byte> target) {
        const CallResult read = inner.read(target);
        // As a time of day would, in front of everything.
        if (read.ok() && read.value != 0) target[0] = std::byte{(*saves)++};
        return read;
    };
    AlteredDevice::Alterations unstamped;
    unstamped.write = [](Device&, std::span<const std::byte> source) {
        return CallResult::success(source.size());
    };
    unstamped.set_state = [](Device& inner, DeviceState target) {
        if (inner.state() == DeviceState::resuming) (void)inner.reset();
        return inner.set_state(target);
    };
    devices.source = std::make_shared<AlteredDevice>(devices.source, stamped);
    devices.destination = std::make_shared<AlteredDevice>(devices.destination, unstamped);
    CheckSettings settings = quick_settings();
    settings.items = {"new-stream", "round-trip"};
    const CheckReport report = check(devices, settings);
    INFO(describe(report));
    CHECK(report.items.size() == 2);
    CHECK(item_of(report, "new-stream").reason == "two saves of the stopped source differ");
}

}  // namespace
}  // namespace multifd
