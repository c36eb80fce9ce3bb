// The vfio-user device against servers that answer strangely, late or not at all.
#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "channels/wire/big_endian.hpp"
#include "engine/devices/device_options.hpp"
#include "engine/devices/vfio_user/vfio_user_device.hpp"
#include "tests/engine/devices/vfio_user/scripted_server.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd::vfio_user {
namespace {

using test::ScriptedServer;

constexpr std::chrono::seconds kHang{30};

std::shared_ptr<Device> client_of(const std::string& path) {
    return make_device(parse_device_spec("vfio-user,idstr=a,config=off,socket=" + path),
                       Role::source)
        .device;
}

}  // namespace

TEST_CASE("a size beyond all numbers stays there", "[vfio_user]") {
    const TemporaryFolder folder;
    ScriptedServer server(folder / "s", [](const Header& header, const Bytes& payload) {
        if (header.command == Command::mig_data_read) {
            Bytes reply = encode(MigrationData{18, 10, Bytes(10)});
            reply.resize(8 + decode_data_read(payload, kTransferBytesDefault)->size);
            return make_reply(header, reply);
        }
        const auto message = decode_feature(payload);
        if (message->set()) return make_reply(header, payload);
        Bytes data;
        append_native(data,
                      message->feature() == Feature::mig_data_size ? UINT64_MAX - 5 : UINT64_MAX);
        return test::feature_reply(header, payload, data);
    });
    const auto device = client_of(folder / "s");
    REQUIRE(device->set_state(DeviceState::pre_copy).ok());
    PreCopySizes sizes;
    REQUIRE(device->pre_copy_sizes(sizes).ok());
    CHECK(device->stop_copy_size().value == UINT64_MAX);
}

TEST_CASE("a server that breaks over MIG_DATA_SIZE is no device", "[vfio_user]") {
    const TemporaryFolder folder;
    ScriptedServer server(folder / "s", [](const Header& header, const Bytes& payload) {
        const auto message = decode_feature(payload);
        Bytes data;
        append_native(data, MigrationFlags::kStopCopy);
        // Shorter than it must be.
        if (message->feature() == Feature::mig_data_size) return make_reply(header, Bytes(4000));
        return test::feature_reply(header, payload, data);
    });
    CHECK_THROWS_AS(client_of(folder / "s"), UsageError);
}

TEST_CASE("a cancel whose answer was not waited for ends the save", "[vfio_user]") {
    const TemporaryFolder folder;
    std::promise<void> asked;
    std::promise<void> go_on;
    auto released = go_on.get_future().share();
    std::uint32_t state = 2;
    bool hold = true;
    ScriptedServer server(folder / "s", [&](const Header& header, const Bytes& payload) {
        if (header.command == Command::mig_data_read) {
            Bytes reply = encode(MigrationData{18, 10, Bytes(10)});
            reply.resize(8 + decode_data_read(payload, kTransferBytesDefault)->size);
            return make_reply(header, reply);
        }
        const auto message = decode_feature(payload);
        if (message->set()) {
            state = NativeReader(message->data).integer<std::uint32_t>();
            if (state == 2 && std::exchange(hold, false)) {
                asked.set_value();
                released.wait_for(kHang);
            }
            return make_reply(header, payload);
        }
        Bytes data;
        if (message->feature() == Feature::migration) {
            append_native(data, MigrationFlags::kStopCopy | MigrationFlags::kPreCopy);
        } else {
            append_native(data, std::uint64_t{state});
        }
        return test::feature_reply(header, payload, data);
    });
    const auto device = client_of(folder / "s");
    Bytes target(10);
    REQUIRE(device->set_state(DeviceState::pre_copy).ok());
    REQUIRE(device->read(target).value == 10);
    std::thread interrupter([&] {
        asked.get_future().wait_for(kHang);
        device->interrupt();
    });
    CHECK(device->set_state(DeviceState::running).error == std::errc::operation_canceled);
    interrupter.join();
    go_on.set_value();

    REQUIRE(device->set_state(DeviceState::pre_copy).ok());
    REQUIRE(device->read(target).value == 10);
    Bytes config;
    REQUIRE(device->save_config(config).ok());
    // The bytes of the second save alone.
    BigEndianReader reader(ConstBytes(config).subspan(8));
    CHECK(reader.integer<std::uint64_t>() == 10);
}

}  // namespace multifd::vfio_user
