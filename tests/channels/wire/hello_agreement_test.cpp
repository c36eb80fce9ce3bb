#include "channels/wire/hello_agreement.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "channels/wire/limits.hpp"

using namespace multifd;

namespace {

Hello with_device(MultifdChoice choice) {
    Hello hello;
    hello.devices = {{.identity = {"gpu0", 0}, .multifd = choice}};
    return hello;
}

Agreement agreed(const Hello& source, const Hello& destination) {
    const auto result = agree(source, destination);
    if (const auto* no = std::get_if<Disagreement>(&result)) FAIL(no->message);
    return std::get<Agreement>(result);
}

Disagreement disagreed(const Hello& source, const Hello& destination) {
    const auto result = agree(source, destination);
    REQUIRE(std::holds_alternative<Disagreement>(result));
    return std::get<Disagreement>(result);
}

constexpr auto kAuto = MultifdChoice::automatic;
constexpr auto kOn = MultifdChoice::on;
constexpr auto kOff = MultifdChoice::off;

}  // namespace

TEST_CASE("a device's state takes the channels when neither end says off", "[wire]") {
    struct Row {
        MultifdChoice source;
        MultifdChoice destination;
        bool multifd;
    };
    const auto row = GENERATE(values<Row>({{kOn, kOn, true},
                                           {kOn, kAuto, true},
                                           {kAuto, kOn, true},
                                           {kAuto, kAuto, true},
                                           {kOff, kOff, false},
                                           {kOff, kAuto, false},
                                           {kAuto, kOff, false}}));
    const auto devices = agreed(with_device(row.source), with_device(row.destination)).devices;
    REQUIRE(devices.size() == 1);
    CHECK(devices[0].multifd == row.multifd);
}

TEST_CASE("on against off is refused, and the device is named", "[wire]") {
    const bool source_on = GENERATE(true, false);
    const Disagreement no =
        disagreed(with_device(source_on ? kOn : kOff), with_device(source_on ? kOff : kOn));
    CHECK(no.code == Errc::multifd_disagree);
    CHECK(no.device == DeviceIdentity{"gpu0", 0});
    CHECK(no.message.find("gpu0") != std::string::npos);
    CHECK(no.message.find(source_on ? "on at the source" : "off at the source") !=
          std::string::npos);
}

TEST_CASE("devices are matched by name and instance, in the source's order", "[wire]") {
    Hello source;
    source.devices = {{.identity = {"b", 0}}, {.identity = {"a", 1}}, {.identity = {"a", 0}}};
    Hello destination;
    destination.devices = {{.identity = {"a", 0}}, {.identity = {"a", 1}}, {.identity = {"b", 0}}};
    CHECK(agreed(source, destination).devices ==
          std::vector<AgreedDevice>{{0, 2, true, true}, {1, 1, true, true}, {2, 0, true, true}});
}

TEST_CASE("a device that one end lacks is refused, naming it and the end", "[wire]") {
    Hello source = with_device(kAuto);
    Hello destination = with_device(kAuto);
    source.devices.push_back({.identity = {"nic0", 3}});
    const Disagreement at_destination = disagreed(source, destination);
    CHECK(at_destination.code == Errc::devices_disagree);
    CHECK(at_destination.device == DeviceIdentity{"nic0", 3});
    CHECK(at_destination.message.find("nic0/3 is missing at the destination") != std::string::npos);

    source = with_device(kAuto);
    destination.devices.push_back({.identity = {"z", 0}});
    destination.devices.push_back({.identity = {"b", 0}});
    const Disagreement at_source = disagreed(source, destination);
    CHECK(at_source.code == Errc::devices_disagree);
    CHECK(at_source.device == DeviceIdentity{"z", 0});
    CHECK(at_source.message.find("missing at the source") != std::string::npos);
}

TEST_CASE("a device runs at the destination if it ran at the source", "[wire]") {
    Hello source = with_device(kAuto);
    source.devices[0].running = false;
    CHECK_FALSE(agreed(source, with_device(kAuto)).devices[0].running);
}

TEST_CASE("an end that names no number of channels takes the other's", "[wire]") {
    Hello source;
    Hello destination;
    source.channels = 8;
    CHECK(agreed(source, destination).channels == 8);
    destination.channels = 8;
    CHECK(agreed(source, destination).channels == 8);
    source.channels = 0;
    CHECK(agreed(source, destination).channels == 8);
    destination.channels = 0;
    CHECK(agreed(source, destination).channels == 1);
    source.channels = 4;
    destination.channels = 2;
    const Disagreement no = disagreed(source, destination);
    CHECK(no.code == Errc::channels_disagree);
    CHECK(no.message.find("4") != std::string::npos);
    CHECK(no.message.find("2") != std::string::npos);
}

TEST_CASE("the source's packet size holds, within the destination's limits", "[wire]") {
    Hello source;
    Hello destination;
    CHECK(agreed(source, destination).packet_bytes == limits::kPacketDataBytesDefault);
    destination.packet_bytes_max = 65536;
    CHECK(agreed(source, destination).packet_bytes == 65536);
    source.packet_bytes = 65536;
    CHECK(agreed(source, destination).packet_bytes == 65536);
    source.packet_bytes = 65537;
    CHECK(disagreed(source, destination).code == Errc::packet_size_disagree);
    destination.packet_bytes_max = 0;
    destination.queued_bytes_max = 65536;
    CHECK(disagreed(source, destination).code == Errc::packet_size_disagree);
    destination.queued_bytes_max = 65537;
    CHECK(agreed(source, destination).packet_bytes == 65537);
}

TEST_CASE("verify, switchover-ack and features need both ends", "[wire]") {
    const bool source_wants = GENERATE(true, false);
    const bool destination_wants = GENERATE(true, false);
    Hello source;
    Hello destination;
    source.verify = source.switchover_ack = source_wants;
    destination.verify = destination.switchover_ack = destination_wants;
    const Agreement agreement = agreed(source, destination);
    CHECK(agreement.verify == (source_wants && destination_wants));
    CHECK(agreement.switchover_ack == (source_wants && destination_wants));

    source.features = {"zstd", "crc32c", "lz4"};
    destination.features = {"lz4", "zstd", "other"};
    CHECK(agreed(source, destination).features == std::vector<std::string>{"zstd", "lz4"});
    CHECK(agreed(source, destination).has("lz4"));
    CHECK_FALSE(agreed(source, destination).has("crc32c"));
}

TEST_CASE("what one end requires and the other does not offer is refused, naming both", "[wire]") {
    const bool source_requires = GENERATE(true, false);
    const std::string feature = GENERATE("zstd", "something");
    CAPTURE(source_requires, feature);
    Hello source = with_device(kAuto);
    Hello destination = with_device(kAuto);
    Hello& demanding = source_requires ? source : destination;
    Hello& other = source_requires ? destination : source;
    demanding.features = {feature};
    demanding.required = {feature};
    const Disagreement no = disagreed(source, destination);
    CHECK(no.code == Errc::feature_missing);
    CHECK(no.message.find(feature) != std::string::npos);
    CHECK(no.message.find(source_requires ? "the source requires" : "the destination requires") !=
          std::string::npos);
    CHECK((no.message.find("multifd-compression") != std::string::npos) == (feature == "zstd"));

    other.features = {feature};
    CHECK(agreed(source, destination).has(feature));
}
