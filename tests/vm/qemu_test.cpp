// From our source into a real QEMU 10, which must say `completed`; what arrived the device says.
#include <catch2/catch.hpp>
#include <list>

#include "tests/end_to_end/command.hpp"
#include "tests/vm/guest_device.hpp"
#include "tests/vm/guest_qemu.hpp"

namespace multifd::vm {
namespace {

constexpr const char* kAddress = "tcp:127.0.0.1:4444";

/// Sends `devices` into QEMU; the report of the source.
CommandEnd send_into(GuestQemu& qemu, const Words& devices, unsigned channels,
                     const std::string& folder) {
    qemu.prepare_migration(channels);
    (void)qemu.execute("migrate-incoming", R"({"uri":")" + std::string(kAddress) + R"("})");
    Words arguments = words("send --peer qemu --machine pc-q35-10.0 --packet-size 64KiB");
    arguments = arguments + Words{"--to",
                                  kAddress,
                                  "--multifd-channels",
                                  std::to_string(channels),
                                  "--state-dir",
                                  folder + "/state",
                                  "--json",
                                  folder + "/report.json"};
    for (const auto& device : devices) arguments = arguments + Words{"--device", device};
    return RunningCommand(folder, arguments).finish();
}

void check_completed_at_both(GuestQemu& qemu, const CommandEnd& source) {
    INFO(describe("source", source));
    CHECK(source.exit_code == 0);
    CHECK(source.text("status") == "completed");
    REQUIRE(source.exit_code == 0);
    const JsonReport seen = qemu.await_migration();
    INFO(seen.whole());
    INFO(qemu.said());
    CHECK(seen.text("return.status") == "completed");
    // QEMU leaves its devices in RESUMING until the guest is to run: only then they take the state.
    (void)qemu.execute("cont");
    (void)qemu.execute("stop");
}

TEST_CASE("QEMU 10 takes mtty devices from us, over the channels and over the main channel",
          "[qemu]") {
    const auto count = GENERATE(1U, 2U);
    const bool channels = GENERATE(true, false);
    const bool pre_copy = GENERATE(true, false);
    CAPTURE(count, channels, pre_copy);
    std::list<MediatedDevice> sources, destinations;
    Words devices;
    std::vector<std::string> folders;
    const auto content = [](std::size_t index) {
        return Uart::Content{"for QEMU " + std::to_string(index),
                             static_cast<std::uint8_t>(0x30 + index)};
    };
    for (std::size_t index = 0; index < count; ++index) {
        const auto& source = sources.emplace_back("mtty-1");
        Uart(source, 0).put(content(index));
        devices.push_back(source.described(GuestQemu::idstr(index)) +
                          (channels ? "" : ",multifd=off") + (pre_copy ? "" : ",precopy=off"));
        folders.push_back(destinations.emplace_back("mtty-1").path());
    }
    const TemporaryFolder folder;
    {
        GuestQemu qemu(folders,
                       channels ? GuestQemu::Transfer::channels : GuestQemu::Transfer::main_channel,
                       {"-incoming", "defer"});
        const CommandEnd source = send_into(qemu, devices, 2, folder.path());
        check_completed_at_both(qemu, source);
    }
    std::size_t index = 0;
    for (const auto& destination : destinations) {
        CHECK(Uart(destination, 0).take() == content(index++));
    }
}

TEST_CASE("QEMU 10 takes a large state from us, in many packets over four channels", "[qemu]") {
    const Statebox source(32 << 20U, 77);
    const Statebox destination(32 << 20U);
    const TemporaryFolder folder;
    {
        GuestQemu qemu({destination.path()}, GuestQemu::Transfer::channels, {"-incoming", "defer"});
        const CommandEnd end =
            send_into(qemu, {source.described(GuestQemu::idstr(0))}, 4, folder.path());
        check_completed_at_both(qemu, end);
    }
    CHECK(destination.digest() == source.digest());
}

}  // namespace
}  // namespace multifd::vm
