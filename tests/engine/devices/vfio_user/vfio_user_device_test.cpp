#include "engine/devices/vfio_user/vfio_user_device.hpp"

#include <catch2/catch.hpp>
#include <future>
#include <random>

#include "channels/wire/big_endian.hpp"
#include "engine/devices/vfio_user/device_server.hpp"
#include "tests/engine/devices/device_transfer.hpp"
#include "tests/engine/devices/vfio_user/scripted_server.hpp"
#include "tests/engine/devices/vfio_user/served_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd::vfio_user {
namespace {

using multifd::test::read_all;
using multifd::test::SavedState;
using multifd::test::write_all;
using test::ScriptedServer;

constexpr std::chrono::seconds kHang{30};

/// Our server, on a thread of its own.
class LiveServer {
  public:
    LiveServer(const std::string& path, const std::string& options, Role role = Role::source)
        : served_(options, role),
          server_(path, served_.served, Interface::v2, stop_, [](LogLevel, const std::string&) {}),
          thread_([this] { server_.run(); }) {}
    ~LiveServer() {
        stop_.raise();
        served_.served.interrupt();
        thread_.join();
    }
    LiveServer(const LiveServer&) = delete;
    LiveServer& operator=(const LiveServer&) = delete;

  private:
    test::Served served_;
    Interrupt stop_;
    DeviceServer server_;
    std::thread thread_;
};

std::shared_ptr<Device> client_of(const std::string& path, const std::string& options = "") {
    const std::string text = "vfio-user,idstr=a,socket=" + path;
    return make_device(parse_device_spec(text + (options.empty() ? "" : "," + options)),
                       Role::source)
        .device;
}

std::string refusal(const std::string& options) {
    try {
        static_cast<void>(
            make_device(parse_device_spec("vfio-user,idstr=a" + options), Role::source));
    } catch (const UsageError& error) {
        return error.what();
    }
    return "";
}

/// Reads the whole state out, in calls of up to `call_max` bytes.
SavedState save_all(Device& source, std::size_t call_max = 1U << 20U) {
    SavedState saved;
    std::mt19937 random(1);
    REQUIRE(source.set_state(DeviceState::stop_copy).ok());
    REQUIRE(read_all(source, saved.state, random, call_max).ok());
    REQUIRE(source.save_config(saved.config).ok());
    REQUIRE(source.set_state(DeviceState::stop).ok());
    return saved;
}

CallResult load_all(Device& target, const SavedState& saved, std::size_t call_max = 1U << 20U) {
    std::mt19937 random(2);
    CallResult done = target.set_state(DeviceState::resuming);
    if (done.ok()) done = write_all(target, saved.state, random, call_max);
    if (done.ok()) done = target.load_config(saved.config);
    return done.ok() ? target.set_state(DeviceState::stop) : done;
}

std::string failure(const CallResult& result) {
    return result.ok() ? "" : result.detail;
}

/// A server in the manner of libvfio-user 2026: no MIG_DATA_SIZE, no GET_REGION_INFO and no reset
/// while the device is stopped, and RESUMING to STOP takes whatever came.
class QuirkyServer {
  public:
    explicit QuirkyServer(const std::string& path, std::uint32_t state = 2)
        : state_(state), server_(path, [this](const Header& header, const Bytes& payload) {
              return answer(header, payload);
          }) {}

    Bytes taken;  ///< What was written; read it when no request is under way.
    Bytes state_to_give = Bytes(5000, std::byte{9});
    std::size_t largest_write = 0;
    std::uint32_t regions = 9;
    std::uint64_t config_bytes = 256;
    std::vector<std::uint32_t> states;
    ScriptedServer& server() { return server_; }

  private:
    Bytes answer(const Header& header, const Bytes& payload) {
        const bool stopped = state_ == 1 || state_ == 3;
        switch (header.command) {
            case Command::device_feature:
                return feature(header, payload);
            case Command::mig_data_read:
                return read(header, payload);
            case Command::mig_data_write: {
                const auto data = decode_data_write(payload, kTransferBytesDefault);
                largest_write = std::max(largest_write, data->data.size());
                append_bytes(taken, data->data);
                return make_reply(header);
            }
            case Command::device_reset:
                if (stopped) return make_error_reply(header, std::errc::invalid_argument);
                state_ = 2;
                return make_reply(header);
            case Command::device_get_info: {
                if (stopped) return make_error_reply(header, std::errc::invalid_argument);
                DeviceInfo info;
                info.num_regions = regions;
                return make_reply(header, encode(info));
            }
            case Command::device_get_region_info: {
                if (stopped) return make_error_reply(header, std::errc::invalid_argument);
                RegionInfo info;
                info.size = config_bytes;
                return make_reply(header, encode(info));
            }
            case Command::region_read: {
                RegionAccess reply = *decode_region_read(payload, 4096);
                const Bytes space(reply.count);
                reply.data = space;
                return make_reply(header, encode(reply));
            }
            case Command::region_write:
                return make_reply(header, ConstBytes(payload).first(RegionAccess::kHeadBytes));
            default:
                return make_error_reply(header, std::errc::invalid_argument);
        }
    }

    Bytes feature(const Header& header, const Bytes& payload) {
        const auto message = decode_feature(payload);
        Bytes data;
        if (message->feature() == Feature::migration) {
            append_native(data, MigrationFlags::kStopCopy | MigrationFlags::kPreCopy);
        } else if (message->feature() == Feature::mig_device_state && message->set()) {
            NativeReader reader(message->data);
            state_ = reader.integer<std::uint32_t>();
            states.push_back(state_);
            given_ = 0;
            return make_reply(header, payload);
        } else if (message->feature() == Feature::mig_device_state) {
            append_native(data, state_);
            append_native(data, std::uint32_t{0});
        } else {
            return make_error_reply(header, std::errc::invalid_argument);
        }
        return test::feature_reply(header, payload, data);
    }

    Bytes read(const Header& header, const Bytes& payload) {
        const std::uint32_t asked = decode_data_read(payload, kTransferBytesDefault)->size;
        const auto left = static_cast<std::uint32_t>(state_to_give.size() - given_);
        // In parts: a short read is not the end.
        const std::uint32_t size = std::min({asked, left, 1000U});
        Bytes reply =
            encode(MigrationData{8 + size, size, ConstBytes(state_to_give).subspan(given_, size)});
        given_ += size;
        reply.resize(8 + asked);
        return make_reply(header, reply);
    }

    std::uint32_t state_;
    std::size_t given_ = 0;
    ScriptedServer server_;
};

}  // namespace

TEST_CASE("what is wrong with the description is said", "[vfio_user]") {
    const TemporaryFolder folder;
    CHECK(refusal("").find("\"socket\" is required") != std::string::npos);
    CHECK(refusal(",socket=").find("the path of a UNIX socket") != std::string::npos);
    CHECK(refusal(",socket=" + (folder / "none")).find("No such file") != std::string::npos);
    CHECK(refusal(",socket=x,write-chunk=2MiB").find("1MiB") != std::string::npos);
    CHECK(refusal(",socket=x,write-chunk=0").find("write-chunk=0") != std::string::npos);
    CHECK(refusal(",socket=x,config=maybe").find("on or off") != std::string::npos);
    CHECK(refusal(",socket=x,state=stop").find("\"state\" is not for this kind") !=
          std::string::npos);
    CHECK(refusal(",socket=x,sokcet=y").find("unknown key") != std::string::npos);
}

TEST_CASE("the device is what its server says", "[vfio_user]") {
    const TemporaryFolder folder;
    const LiveServer server(folder / "s", "size=5000,precopy=on,p2p=off,state=stop");
    const auto device = client_of(folder / "s");
    CHECK(device->traits().kind == "vfio-user");
    CHECK(device->traits().pre_copy);
    CHECK_FALSE(device->traits().p2p);
    CHECK(device->state() == DeviceState::stop);
    CHECK(device->stop_copy_size().value > 5000);
}

TEST_CASE("a state goes from one served device to another, whatever the sizes", "[vfio_user]") {
    const TemporaryFolder folder;
    const std::string chunk = GENERATE(as<std::string>{}, "1000", "32767", "32KiB", "1MiB");
    const std::size_t call = GENERATE(4096U, 65536U, 1048577U);
    const std::string config = GENERATE(as<std::string>{}, "on", "off");
    CAPTURE(chunk, call, config);
    const LiveServer from(folder / "a", "size=300000");
    const LiveServer to(folder / "b", "", Role::destination);
    const auto source = client_of(folder / "a", "config=" + config);
    const auto target = client_of(folder / "b", "config=" + config + ",write-chunk=" + chunk);
    const SavedState saved = save_all(*source, call);
    CHECK(saved.state.size() > 300000);
    CHECK(saved.config.size() == (config == "on" ? 308 : 32));
    const CallResult loaded = load_all(*target, saved, call);
    CHECK(failure(loaded) == "");
    CHECK(target->set_state(DeviceState::running).ok());
    CHECK(target->state() == DeviceState::running);
    CHECK(target->stop_copy_size().value >= saved.state.size());
}

TEST_CASE("a state that is not whole is refused before the server is asked", "[vfio_user]") {
    const TemporaryFolder folder;
    QuirkyServer server(folder / "s");
    const auto device = client_of(folder / "s");
    SavedState saved = save_all(*device);
    REQUIRE(saved.state.size() == 5000);
    std::string expected;
    SECTION("cut short") {
        saved.state.pop_back();
        expected = "4999 bytes were written, 5000 were read";
    }
    SECTION("one byte more") {
        saved.state.push_back(std::byte{9});
        expected = "5001 bytes were written";
    }
    SECTION("one bit wrong") {
        saved.state[4000] ^= std::byte{1};
        expected = "their digests differ";
    }
    SECTION("another config state") {
        saved.config[0] = std::byte{0};
        expected = "no config state of a vfio-user device";
    }
    SECTION("a config state that ends early") {
        saved.config.pop_back();
        expected = "no config state of a vfio-user device";
    }
    SECTION("the config state of a device without config space") {
        saved.config.resize(32);
        saved.config[24] = saved.config[25] = std::byte{0};
        saved.config[26] = saved.config[27] = std::byte{0};
        expected = "config=off";
    }
    REQUIRE(device->set_state(DeviceState::resuming).ok());
    REQUIRE(device->write(saved.state).ok());
    const CallResult config = device->load_config(saved.config);
    CHECK(config.error == std::errc::bad_message);
    CHECK(config.detail.find(expected) != std::string::npos);
    CHECK(device->set_state(DeviceState::stop).error == std::errc::bad_message);
    CHECK(server.states.back() == 4);
}

TEST_CASE("what a guest wrote into the config space goes along", "[vfio_user]") {
    const TemporaryFolder folder;
    const LiveServer from(folder / "a", "size=4096");
    const LiveServer to(folder / "b", "", Role::destination);
    /// The interrupt line, through a client of its own; `line` is written first.
    const auto guest = [](const std::string& path, std::optional<std::uint8_t> line) {
        ServerConnection connection(path);
        const ServerConnection::Patience patience{Clock::now() + kHang, nullptr};
        REQUIRE(connection.open(patience).ok());
        Bytes value(1);
        RegionAccess access;
        access.offset = 0x3c;
        access.region = kConfigRegion;
        access.count = 1;
        std::array<std::byte, RegionAccess::kHeadBytes> head{};
        if (line) {
            value[0] = static_cast<std::byte>(*line);
            REQUIRE(connection
                        .request(Command::region_write, encode(access), value, {{}, head}, patience)
                        .ok());
        }
        REQUIRE(
            connection.request(Command::region_read, encode(access), {}, {head, value}, patience)
                .ok());
        return std::to_integer<int>(value[0]);
    };
    CHECK(guest(folder / "a", 11) == 11);
    CHECK(guest(folder / "b", {}) == 0);
    const SavedState saved = save_all(*client_of(folder / "a"));
    CHECK(failure(load_all(*client_of(folder / "b"), saved)) == "");
    CHECK(guest(folder / "b", {}) == 11);
}

TEST_CASE("without its config state no state is whole", "[vfio_user]") {
    const TemporaryFolder folder;
    QuirkyServer server(folder / "s");
    const auto device = client_of(folder / "s");
    REQUIRE(device->set_state(DeviceState::resuming).ok());
    REQUIRE(device->write(Bytes(10)).ok());
    CHECK(device->set_state(DeviceState::stop).detail.find("the config state is missing") !=
          std::string::npos);
    CHECK(server.states.back() == 4);
}

TEST_CASE("writes leave in pieces that a server does not lose", "[vfio_user]") {
    const TemporaryFolder folder;
    QuirkyServer server(folder / "s");
    const auto device = client_of(folder / "s");
    REQUIRE(device->set_state(DeviceState::resuming).ok());
    REQUIRE(device->write(Bytes(1000000, std::byte{3})).value == 1000000);
    CHECK(server.largest_write == 32768);
    CHECK(server.taken == Bytes(1000000, std::byte{3}));
}

TEST_CASE("what pre-copy has left is looked for, and not lost", "[vfio_user]") {
    const TemporaryFolder folder;
    QuirkyServer server(folder / "s");
    const auto device = client_of(folder / "s");
    REQUIRE(device->set_state(DeviceState::pre_copy).ok());
    PreCopySizes sizes;
    REQUIRE(device->pre_copy_sizes(sizes).ok());
    // The server does not tell how much there is; that there is some is all that is known.
    CHECK(sizes.dirty_bytes == VfioUserDevice::kUnknownLeft);
    REQUIRE(device->pre_copy_sizes(sizes).ok());
    CHECK(sizes.dirty_bytes == VfioUserDevice::kUnknownLeft);
    const CallResult size = device->stop_copy_size();
    CHECK(size.ok());
    CHECK(size.value == 0);
    Bytes all(10000);
    std::size_t done = 0;
    while (true) {
        const CallResult got = device->read(std::span(all).subspan(done));
        REQUIRE(got.ok());
        if (got.value == 0) break;
        done += static_cast<std::size_t>(got.value);
    }
    CHECK(done == 5000);
    REQUIRE(device->pre_copy_sizes(sizes).ok());
    CHECK(sizes.dirty_bytes == 0);
}

TEST_CASE("what pre-copy has left is all that the server has", "[vfio_user]") {
    const TemporaryFolder folder;
    const LiveServer server(folder / "s", "size=8MiB,precopy=on");
    const auto device = client_of(folder / "s");
    REQUIRE(device->set_state(DeviceState::pre_copy).ok());
    PreCopySizes sizes;
    REQUIRE(device->pre_copy_sizes(sizes).ok());
    CHECK(sizes.dirty_bytes >= 8 << 20U);
    CHECK(sizes.dirty_bytes == device->stop_copy_size().value);
    Bytes target(1 << 20U);
    while (true) {
        const CallResult got = device->read(target);
        REQUIRE(got.ok());
        if (got.value == 0) break;
    }
    REQUIRE(device->pre_copy_sizes(sizes).ok());
    CHECK(sizes.dirty_bytes == 0);
}

TEST_CASE("a device that was reset tells its size", "[vfio_user]") {
    const TemporaryFolder folder;
    const LiveServer server(folder / "s", "size=5000");
    const auto device = client_of(folder / "s");
    REQUIRE(device->reset().ok());
    const CallResult size = device->stop_copy_size();
    CHECK(failure(size) == "");
    CHECK(size.value >= 5000);
}

TEST_CASE("a stopped device whose server tells little can be used all the same", "[vfio_user]") {
    const TemporaryFolder folder;
    QuirkyServer server(folder / "s", 1);
    const auto device = client_of(folder / "s");
    CHECK(device->state() == DeviceState::stop);
    CHECK(save_all(*device).config.size() == 308);
}

TEST_CASE("a device without a config space needs config=off", "[vfio_user]") {
    const TemporaryFolder folder;
    QuirkyServer server(folder / "s");
    const std::string said = "no PCI config space: give it config=off";
    SECTION("it has too few regions") {
        server.regions = 7;
    }
    SECTION("its region is empty") {
        server.config_bytes = 0;
    }
    SECTION("its region is larger than any") {
        server.config_bytes = 4097;
    }
    CHECK(refusal(",socket=" + (folder / "s")).find(said) != std::string::npos);
    CHECK(save_all(*client_of(folder / "s", "config=off")).config.size() == 32);
}

TEST_CASE("a stopped device is reset by way of RESUMING, and its connection dropped",
          "[vfio_user]") {
    const TemporaryFolder folder;
    QuirkyServer server(folder / "s");
    const auto device = client_of(folder / "s");
    REQUIRE(device->set_state(DeviceState::stop).ok());
    CHECK(device->reset().ok());
    CHECK(server.states == std::vector<std::uint32_t>{1, 4});
    CHECK(device->state() == DeviceState::running);
    CHECK(server.server().connections() == 1);
    CHECK(device->set_state(DeviceState::stop).ok());
    CHECK(server.server().connections() == 2);
    CHECK(device->state() == DeviceState::stop);
}

TEST_CASE("a load that is given up leaves the next one possible", "[vfio_user]") {
    const TemporaryFolder folder;
    const LiveServer from(folder / "a", "size=100000");
    const LiveServer to(folder / "b", "", Role::destination);
    const auto source = client_of(folder / "a");
    const auto target = client_of(folder / "b");
    const SavedState saved = save_all(*source);
    for (int round = 0; round < 3; ++round) {
        REQUIRE(target->set_state(DeviceState::resuming).ok());
        REQUIRE(target->write(ConstBytes(saved.state).first(50000)).ok());
        REQUIRE(target->reset().ok());
        REQUIRE(target->set_state(DeviceState::stop).ok());
    }
    CHECK(failure(load_all(*target, saved)) == "");
}

TEST_CASE("a save that is interrupted ends, and the device goes on", "[vfio_user]") {
    const TemporaryFolder folder;
    const LiveServer server(folder / "s", "size=100000,hang=read:1");
    const auto device = client_of(folder / "s", "config=off");
    REQUIRE(device->set_state(DeviceState::stop_copy).ok());
    Bytes target(1000);
    auto reading = std::async(std::launch::async, [&] { return device->read(target); });
    // The server's device hangs until it is interrupted; the client's wait must end before.
    CHECK(reading.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
    device->interrupt();
    REQUIRE(reading.wait_for(kHang) == std::future_status::ready);
    CHECK(reading.get().error == std::errc::operation_canceled);
    // Sticky until the next change of state.
    CHECK(device->read(target).error == std::errc::operation_canceled);
    CHECK(device->pre_copy_sizes(*std::make_unique<PreCopySizes>()).error ==
          std::errc::operation_canceled);
}

TEST_CASE("an interrupted save is over, and the device runs on", "[vfio_user]") {
    const TemporaryFolder folder;
    std::promise<void> asked;
    std::promise<void> go_on;
    auto released = go_on.get_future().share();
    std::atomic<bool> hold = true;
    std::uint32_t state = 2;
    ScriptedServer server(folder / "s", [&](const Header& header, const Bytes& payload) {
        if (header.command == Command::mig_data_read) {
            if (hold.exchange(false)) {
                asked.set_value();
                released.wait_for(kHang);
            }
            return make_reply(header, payload);
        }
        const auto message = decode_feature(payload);
        if (message->set()) {
            state = NativeReader(message->data).integer<std::uint32_t>();
            return make_reply(header, payload);
        }
        Bytes data;
        if (message->feature() == Feature::migration) {
            append_native(data, MigrationFlags::kStopCopy);
        } else {
            append_native(data, std::uint64_t{state});
        }
        return test::feature_reply(header, payload, data);
    });
    const auto device = client_of(folder / "s", "config=off");
    REQUIRE(device->set_state(DeviceState::stop_copy).ok());
    std::thread interrupter([&] {
        asked.get_future().wait_for(kHang);
        device->interrupt();
    });
    Bytes target(8);
    CHECK(device->read(target).error == std::errc::operation_canceled);
    interrupter.join();
    go_on.set_value();
    CHECK(device->state() == DeviceState::stop_copy);
    CHECK(device->set_state(DeviceState::running).ok());
    CHECK(device->state() == DeviceState::running);
    CHECK(server.connections() == 1);
}

TEST_CASE("a server that dies leaves the device in ERROR, by name", "[vfio_user]") {
    const TemporaryFolder folder;
    auto server = std::make_unique<LiveServer>(folder / "s", "size=100000");
    const auto device = client_of(folder / "s");
    REQUIRE(device->set_state(DeviceState::stop_copy).ok());
    server.reset();
    Bytes target(1000);
    const CallResult got = device->read(target);
    CHECK_FALSE(got.ok());
    CHECK(got.detail.find(folder / "s") != std::string::npos);
    CHECK(device->state() == DeviceState::error);
    CHECK(device->set_state(DeviceState::running).error == std::errc::not_connected);
    CHECK_FALSE(device->reset().ok());
    // Somebody starts it again.
    server = std::make_unique<LiveServer>(folder / "s", "size=100000");
    CHECK(device->reset().ok());
    CHECK(device->state() == DeviceState::running);
}

TEST_CASE("a server that lies about sizes is not believed", "[vfio_user]") {
    const TemporaryFolder folder;
    ScriptedServer server(folder / "s", [&](const Header& header, const Bytes& payload) {
        if (header.command == Command::mig_data_read) {
            return make_reply(header, encode(MigrationData{108, 100, Bytes(99)}));
        }
        if (decode_feature(payload)->set()) return make_reply(header, payload);
        Bytes data;
        append_native(data, std::uint64_t{1});
        return test::feature_reply(header, payload, data);
    });
    const auto device = client_of(folder / "s", "config=off");
    REQUIRE(device->set_state(DeviceState::stop_copy).ok());
    Bytes target(1000);
    CHECK(device->read(target).error == std::errc::protocol_error);
    CHECK(device->read(target).error == std::errc::io_error);
}

}  // namespace multifd::vfio_user
