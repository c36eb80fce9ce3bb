#include "engine/devices/vfio_user/request_handler.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <random>

#include "engine/devices/vfio_user/version.hpp"
#include "tests/engine/devices/vfio_user/served_fixture.hpp"

namespace multifd::vfio_user {
namespace {

using test::Served;

struct Reply {
    Header header;
    Bytes payload;
    bool close = false;
    [[nodiscard]] std::errc error() const {
        return header.failed() ? static_cast<std::errc>(header.error) : std::errc{};
    }
};

/// A client without a socket.
struct Client {
    explicit Client(const std::string& options, Interface interface = Interface::v2)
        : served(options),
          handler(served.served, config, interface,
                  [this](LogLevel, const std::string& line) { log += line + "\n"; }) {}

    Reply send(const Bytes& message) {
        HeaderBytes head{};
        std::memcpy(head.data(), message.data(), head.size());
        const Header header = decode_header(head);
        auto answer = handler.refuse(header);
        if (!answer) answer = handler.handle(header, ConstBytes(message).subspan(kHeaderBytes));
        if (answer->reply.empty()) return {Header{0, {}, 0, 0, 0}, {}, answer->close};
        std::memcpy(head.data(), answer->reply.data(), head.size());
        Reply reply{decode_header(head),
                    Bytes(answer->reply.begin() + kHeaderBytes, answer->reply.end()),
                    answer->close};
        CHECK(reply.header.size == answer->reply.size());
        CHECK(reply.header.type() == Header::kTypeReply);
        if (reply.header.failed()) CHECK(reply.payload.empty());
        return reply;
    }
    Reply ask(Command command, const Bytes& payload = {}) {
        return send(make_command(++id, command, payload));
    }
    Client& negotiated() {
        REQUIRE(ask(Command::version, encode(own_version())).error() == std::errc{});
        return *this;
    }
    Reply feature(std::uint32_t flags, ConstBytes data = {}, std::uint32_t argsz = 16) {
        return ask(Command::device_feature, encode(FeatureMessage{argsz, flags, data}));
    }
    Reply set_state(std::uint32_t state) {
        Bytes data;
        append_native(data, state);
        append_native(data, std::uint32_t{0});
        return feature(FeatureMessage::kSet | 2U, data);
    }
    std::uint32_t state() {
        const Reply reply = feature(FeatureMessage::kGet | 2U);
        NativeReader reader(ConstBytes(reply.payload).subspan(FeatureMessage::kHeadBytes));
        return reader.integer<std::uint32_t>();
    }
    Reply read(std::uint32_t size) {
        return ask(Command::mig_data_read, encode(MigrationData{8 + size, size}));
    }

    Served served;
    ConfigSpace config;
    std::string log;
    RequestHandler handler;
    std::uint16_t id = 0;
};

std::uint64_t number_at(const Bytes& payload, std::size_t offset) {
    std::uint64_t value = 0;
    std::memcpy(&value, payload.data() + offset, sizeof value);
    return value;
}

}  // namespace

TEST_CASE("the first message is VERSION, once", "[vfio_user]") {
    Client early("size=4096");
    const Reply refused = early.ask(Command::device_get_info, encode(DeviceInfo{}));
    CHECK(refused.error() == std::errc::invalid_argument);
    CHECK(refused.close);

    Client client("size=4096");
    const Reply reply = client.ask(Command::version, encode(own_version()));
    CHECK(*decode_version(reply.payload) == own_version());
    CHECK(client.ask(Command::version, encode(own_version())).error() ==
          std::errc::invalid_argument);
    CHECK(client.state() == 2);
}

TEST_CASE("a version that does not suit is refused, and the client with it", "[vfio_user]") {
    Client client("size=4096");
    Version version;
    SECTION("another major") {
        version.major = 1;
    }
    SECTION("no transfers") {
        version.max_data_xfer_size = 0;
    }
    const Reply reply = client.ask(Command::version, encode(version));
    CHECK(reply.error() != std::errc{});
    CHECK(reply.close);
}

TEST_CASE("what is not known is refused, and the client may go on", "[vfio_user]") {
    Client client("size=4096");
    client.negotiated();
    for (const unsigned number : {0U, 6U, 11U, 12U, 14U, 15U, 19U, 255U, 65535U}) {
        CAPTURE(number);
        const Reply reply = client.ask(static_cast<Command>(number), Bytes(40));
        CHECK(reply.error() == std::errc::operation_not_supported);
        CHECK_FALSE(reply.close);
    }
    CHECK(client.feature(FeatureMessage::kGet | 3U).error() == std::errc::operation_not_supported);
    CHECK(client.feature(FeatureMessage::kSet | 1U).error() == std::errc::operation_not_supported);
    CHECK(client.log.find("feature 3 is not supported") != std::string::npos);
}

TEST_CASE("a header that no message can follow ends the connection with an error reply",
          "[vfio_user]") {
    Client client("size=4096");
    client.negotiated();
    const HeaderBytes head = encode(
        Header{9, Command::mig_data_write, static_cast<std::uint32_t>(kMessageBytesMax + 1), 0, 0});
    const Reply reply = client.send(Bytes(head.begin(), head.end()));
    CHECK(reply.error() == std::errc::message_size);
    CHECK(reply.header.id == 9);
    CHECK(reply.close);
}

TEST_CASE("the device is described as PCI, with a config space", "[vfio_user]") {
    Client client("size=4096");
    client.negotiated();
    const auto info =
        decode_device_info(client.ask(Command::device_get_info, encode(DeviceInfo{})).payload);
    CHECK(info->flags == (DeviceInfo::kReset | DeviceInfo::kPci));
    CHECK(info->num_regions == 9);
    for (std::uint32_t index = 0; index < 9; ++index) {
        RegionInfo wanted;
        wanted.index = index;
        const Reply reply = client.ask(Command::device_get_region_info, encode(wanted));
        const auto region = decode_region_info(reply.payload);
        CAPTURE(index);
        CHECK(region->index == index);
        CHECK(region->size == (index == kConfigRegion ? 256U : 0U));
    }
    RegionInfo beyond;
    beyond.index = 9;
    CHECK(client.ask(Command::device_get_region_info, encode(beyond)).error() ==
          std::errc::invalid_argument);
    Bytes irq;
    for (const std::uint32_t field : {16U, 0U, 4U, 0U}) append_native(irq, field);
    CHECK(client.ask(Command::device_get_irq_info, irq).payload.size() == 16);
    irq[8] = std::byte{5};
    CHECK(client.ask(Command::device_get_irq_info, irq).error() == std::errc::invalid_argument);
}

TEST_CASE("DMA regions and interrupts are acknowledged", "[vfio_user]") {
    Client client("size=4096");
    client.negotiated();
    CHECK(client.ask(Command::dma_map, Bytes(32)).error() == std::errc{});
    const Bytes range(24, std::byte{3});
    CHECK(client.ask(Command::dma_unmap, range).payload == range);
    CHECK(client.ask(Command::device_set_irqs, Bytes(20)).payload.empty());
}

TEST_CASE("the config space is read and written within its bounds", "[vfio_user]") {
    Client client("size=4096");
    client.negotiated();
    const Bytes value{std::byte{7}, std::byte{4}};
    const Reply written =
        client.ask(Command::region_write, encode(RegionAccess{4, kConfigRegion, 2, value}));
    CHECK(written.error() == std::errc{});
    CHECK(written.payload.size() == RegionAccess::kHeadBytes);
    const Reply read = client.ask(Command::region_read, encode(RegionAccess{4, kConfigRegion, 2}));
    CHECK(decode_region_write(read.payload, 2)->data.front() == std::byte{7});
    CHECK(client.ask(Command::region_read, encode(RegionAccess{0, kConfigRegion, 256})).error() ==
          std::errc{});
    for (const auto& outside :
         {RegionAccess{1, kConfigRegion, 256}, RegionAccess{257, kConfigRegion, 0},
          RegionAccess{UINT64_MAX, kConfigRegion, 2}, RegionAccess{0, 0, 1}, RegionAccess{0, 9, 1},
          RegionAccess{0, UINT32_MAX, 1}}) {
        CAPTURE(outside.offset, outside.region, outside.count);
        CHECK(client.ask(Command::region_read, encode(outside)).error() ==
              std::errc::invalid_argument);
    }
    // A reset takes back what the guest wrote.
    CHECK(client.ask(Command::device_reset).error() == std::errc{});
    const Reply again = client.ask(Command::region_read, encode(RegionAccess{4, kConfigRegion, 2}));
    CHECK(decode_region_write(again.payload, 2)->data.front() == std::byte{0});
}

TEST_CASE("features say what the device can do and where it is", "[vfio_user]") {
    Client client("size=5000,precopy=on,p2p=off");
    client.negotiated();
    const Reply migration = client.feature(FeatureMessage::kGet | 1U);
    CHECK(number_at(migration.payload, 8) ==
          (MigrationFlags::kStopCopy | MigrationFlags::kPreCopy));
    CHECK(client.feature(FeatureMessage::kProbe | FeatureMessage::kGet | 9U, {}, 8).error() ==
          std::errc{});
    CHECK(client.feature(FeatureMessage::kProbe | FeatureMessage::kSet | 9U, {}, 8).error() ==
          std::errc::operation_not_supported);
    CHECK(number_at(client.feature(FeatureMessage::kGet | 9U).payload, 8) > 5000);
    CHECK(client.feature(FeatureMessage::kGet | 1U, {}, 15).error() == std::errc::invalid_argument);
    CHECK(client.state() == 2);
    CHECK(client.set_state(1).error() == std::errc{});
    CHECK(client.state() == 1);
    // No P2P, and no number beyond the enumeration.
    CHECK(client.set_state(5).error() == std::errc::invalid_argument);
    CHECK(client.set_state(0).error() == std::errc::invalid_argument);
    CHECK(client.set_state(8).error() == std::errc::invalid_argument);
    CHECK(client.feature(FeatureMessage::kSet | 2U, Bytes(7)).error() ==
          std::errc::invalid_argument);
    CHECK(client.state() == 1);
}

TEST_CASE("a reply to a read is as long as asked, and size 0 is the end", "[vfio_user]") {
    Client client("size=100000,config-size=0");
    client.negotiated();
    CHECK(client.read(100).error() == std::errc::invalid_argument);
    REQUIRE(client.set_state(3).error() == std::errc{});
    const std::uint32_t piece = GENERATE(1000U, 65535U, 65536U, 65537U, 1048576U);
    std::uint64_t total = 0;
    std::uint32_t size = 1;
    while (size != 0) {
        const Reply reply = client.read(piece);
        REQUIRE(reply.payload.size() == 8 + piece);
        NativeReader reader(reply.payload);
        CHECK(reader.integer<std::uint32_t>() >= 8);
        size = reader.integer<std::uint32_t>();
        total += size;
    }
    CHECK(total > 100000);
    CHECK(client.read(1048577).error() == std::errc::invalid_argument);
}

TEST_CASE("no reply means none, not even an error", "[vfio_user]") {
    Client client("size=4096");
    client.negotiated();
    Bytes message = make_command(1, Command::device_reset);
    message[8] |= std::byte{0x10};
    CHECK(client.send(message).header.size == 0);
    message[2] = std::byte{99};
    CHECK(client.send(message).header.size == 0);
    CHECK(client.state() == 2);
}

TEST_CASE("a failing device answers with errors, never with silence", "[vfio_user]") {
    Client client("size=4096,fail=read:1,throw=set-state:stop");
    client.negotiated();
    CHECK(client.set_state(1).error() == std::errc::io_error);
    CHECK(client.set_state(3).error() == std::errc{});
    CHECK(client.read(100).error() == std::errc::io_error);
    CHECK(client.log.find("refused MIG_DATA_READ") != std::string::npos);
}

TEST_CASE("the older interface has its region and nothing of the newer one", "[vfio_user]") {
    Client client("size=4096", Interface::v1);
    client.negotiated();
    CHECK(client.feature(FeatureMessage::kGet | 1U).error() == std::errc::operation_not_supported);
    CHECK(client.read(1).error() == std::errc::operation_not_supported);
    CHECK(decode_device_info(client.ask(Command::device_get_info, encode(DeviceInfo{})).payload)
              ->num_regions == 10);
    RegionInfo wanted;
    wanted.index = MigrationRegion::kIndex;
    wanted.argsz = 48;
    const Bytes described = client.ask(Command::device_get_region_info, encode(wanted)).payload;
    REQUIRE(described.size() == 48);
    const auto region = decode_region_info(described);
    CHECK(region->size == MigrationRegion::kBytes);
    CHECK(region->flags == 11);
    CHECK(region->cap_offset == 32);
    // Type 3, subtype 1.
    CHECK(number_at(described, 40) == 0x100000003);
    wanted.argsz = 32;
    const Bytes needed = client.ask(Command::device_get_region_info, encode(wanted)).payload;
    CHECK(needed.size() == 32);
    CHECK(decode_region_info(needed)->argsz == 48);

    Bytes stop_and_copy;
    append_native(stop_and_copy, std::uint32_t{2});
    CHECK(client.ask(Command::region_write, encode(RegionAccess{0, 9, 4, stop_and_copy})).error() ==
          std::errc{});
    const Reply pending = client.ask(Command::region_read, encode(RegionAccess{8, 9, 8}));
    CHECK(number_at(pending.payload, RegionAccess::kHeadBytes) >= 4096);
    CHECK(client.ask(Command::region_read, encode(RegionAccess{12, 9, 4})).error() ==
          std::errc::invalid_argument);
    CHECK(client.ask(Command::region_write, encode(RegionAccess{4096, 9, 4, stop_and_copy}))
              .error() == std::errc::invalid_argument);
}

TEST_CASE("any message gets an answer", "[vfio_user]") {
    const auto interface = GENERATE(Interface::v2, Interface::v1);
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    Client client("size=4096,precopy=on", interface);
    client.negotiated();
    for (int round = 0; round < 3000; ++round) {
        Bytes payload(random() % 64);
        // Small numbers are the ones that mean something.
        for (std::byte& byte : payload) byte = static_cast<std::byte>(random() % 4 ? 0 : random());
        const Reply reply = client.ask(static_cast<Command>(random() % 20), payload);
        REQUIRE(reply.header.size >= kHeaderBytes);
        REQUIRE(reply.header.id == client.id);
    }
}

}  // namespace multifd::vfio_user
