// Every setting out of range is refused before a session begins, in words that name it.
#include "engine/session/settings_check.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <stdexcept>

#include "channels/transport/congestion_control.hpp"
#include "tests/engine/sessions/scripted_device.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

DeviceEntry entry(std::string idstr, std::uint32_t instance_id = 0) {
    return {std::move(idstr), instance_id, MultifdProperty::automatic,
            std::make_shared<ScriptedDevice>(ScriptedDevice::Script{})};
}

/// The words of the refusal; empty when there is none.
template <class Settings>
std::string refusal(const Settings& settings, const std::vector<DeviceEntry>& devices) {
    try {
        check(settings, devices);
    } catch (const std::invalid_argument& refused) {
        return refused.what();
    }
    return {};
}

const std::vector<DeviceEntry> kOneDevice{entry("gpu0")};

}  // namespace

TEST_CASE("the defaults are accepted, and so are both ends of every range", "[engine]") {
    CHECK(refusal(SourceSettings{}, kOneDevice).empty());
    CHECK(refusal(DestinationSettings{}, kOneDevice).empty());
    SourceSettings source;
    DestinationSettings destination;
    for (const auto timeout : {1ms, std::chrono::milliseconds(365 * 24h)}) {
        source.connect_timeout = source.phase_timeout = source.stall_timeout = timeout;
        CHECK(refusal(source, kOneDevice).empty());
    }
    for (const std::uint32_t channels : {1U, 255U}) {
        source.multifd_channels = channels;
        CHECK(refusal(source, kOneDevice).empty());
    }
    for (const std::uint32_t channels : {0U, 255U}) {
        destination.multifd_channels = channels;
        CHECK(refusal(destination, kOneDevice).empty());
    }
    for (const std::size_t size : {4096U, 16U << 20U}) {
        source.packet_size = destination.packet_size_max = size;
        CHECK(refusal(source, kOneDevice).empty());
        CHECK(refusal(destination, kOneDevice).empty());
    }
    for (const int level : {0, 20}) {
        source.multifd_zstd_level = level;
        CHECK(refusal(source, kOneDevice).empty());
    }
    source.downtime_limit = 0ms;
    source.machine = std::string(255, 'm');
    CHECK(refusal(source, kOneDevice).empty());
    destination.max_queued_bytes = 4096;
    CHECK(refusal(destination, kOneDevice).empty());
    // QEMU does not say how large its packets are: one of the largest must fit.
    destination.peer = Peer::qemu;
    destination.packet_size_max = 4096;
    CHECK(refusal(destination, kOneDevice).empty());
}

TEST_CASE("every source setting that is out of range is named", "[engine]") {
    struct Case {
        const char* name;
        std::function<void(SourceSettings&)> spoil;
    };
    const auto one = GENERATE(values<Case>({
        {"connect-timeout", [](auto& s) { s.connect_timeout = 0ms; }},
        {"connect-timeout", [](auto& s) { s.connect_timeout = -1ms; }},
        {"connect-timeout", [](auto& s) { s.connect_timeout = 366 * 24h; }},
        {"phase-timeout", [](auto& s) { s.phase_timeout = 0ms; }},
        {"stall-timeout", [](auto& s) { s.stall_timeout = 0ms; }},
        {"multifd-channels", [](auto& s) { s.multifd_channels = 0; }},
        {"multifd-channels", [](auto& s) { s.multifd_channels = 256; }},
        {"packet-size", [](auto& s) { s.packet_size = 4095; }},
        {"packet-size", [](auto& s) { s.packet_size = 4097; }},
        {"packet-size", [](auto& s) { s.packet_size = 0; }},
        {"packet-size", [](auto& s) { s.packet_size = (16U << 20U) + 4096; }},
        {"multifd-zstd-level", [](auto& s) { s.multifd_zstd_level = -1; }},
        {"multifd-zstd-level", [](auto& s) { s.multifd_zstd_level = 21; }},
        {"multifd-compression",
         [](auto& s) {
             s.peer = Peer::qemu;
             s.multifd_compression = MultifdCompression::zstd;
         }},
        {"multifd-compression",
         [](auto& s) {
             s.peer = Peer::qemu;
             s.multifd_compression = MultifdCompression::automatic;
         }},
        {"downtime-limit", [](auto& s) { s.downtime_limit = -1ms; }},
        {"machine", [](auto& s) { s.machine = std::string(256, 'm'); }},
        {"machine", [](auto& s) { s.machine.clear(); }},
        {"there are 3 addresses",
         [](auto& s) {
             s.also_to = {"unix:/b", "unix:/c"};
         }},
        {"bind is given 2 times for 1",
         [](auto& s) {
             s.bind = {"127.0.0.1", "127.0.0.1"};
         }},
        {"bind \"localhost\" is no", [](auto& s) { s.bind = {"localhost"}; }},
        {"bind \"127.0.0.1:80\" is no", [](auto& s) { s.bind = {"127.0.0.1:80"}; }},
        {"bind unix:/here cannot", [](auto& s) { s.bind = {"unix:/here"}; }},
    }));
    INFO(one.name);
    SourceSettings settings;
    one.spoil(settings);
    CHECK_THAT(refusal(settings, kOneDevice), Catch::StartsWith(one.name));
}

TEST_CASE("a source address that cannot go with its destination is named with it", "[engine]") {
    struct Case {
        const char* to;
        const char* bind;
        const char* words;
    };
    const auto one = GENERATE(values<Case>({
        {"unix:/there", "127.0.0.1", "to a UNIX socket has no source address"},
        {"tcp:127.0.0.1:1", "::1", "one is an IPv4 address, the other an IPv6"},
        {"tcp:[::1]:1", "127.0.0.1", "one is an IPv4 address, the other an IPv6"},
        {"tcp:127.0.0.1:1", "127.0.0.2", ""},
        {"tcp:name:1", "::1", ""},
        {"unix:/there", "any", ""},
    }));
    CAPTURE(one.to, one.bind);
    SourceSettings settings;
    settings.to = "unix:/first";
    settings.also_to = {one.to};
    settings.bind = {"any", one.bind};
    const std::string words = refusal(settings, kOneDevice);
    if (*one.words == '\0') {
        CHECK(words.empty());
    } else {
        CHECK_THAT(words, Catch::Contains(one.words) && Catch::Contains(one.to) &&
                              Catch::Contains(one.bind));
    }
}

TEST_CASE("every destination setting that is out of range is named", "[engine]") {
    struct Case {
        const char* name;
        std::function<void(DestinationSettings&)> spoil;
    };
    const auto one = GENERATE(values<Case>({
        {"connect-timeout", [](auto& s) { s.connect_timeout = 0ms; }},
        {"phase-timeout", [](auto& s) { s.phase_timeout = 0ms; }},
        {"stall-timeout", [](auto& s) { s.stall_timeout = 0ms; }},
        {"multifd-channels", [](auto& s) { s.multifd_channels = 256; }},
        {"max-packet-size", [](auto& s) { s.packet_size_max = 4097; }},
        {"max-packet-size", [](auto& s) { s.packet_size_max = 0; }},
        {"max-packet-size", [](auto& s) { s.packet_size_max = 17U << 20U; }},
        {"multifd-compression",
         [](auto& s) {
             s.peer = Peer::qemu;
             s.multifd_compression = MultifdCompression::zstd;
         }},
        {"max-queued-bytes", [](auto& s) { s.max_queued_bytes = 4095; }},
        {"max-queued-bytes", [](auto& s) { s.max_queued_bytes = 0; }},
        {"max-queued-bytes",
         [](auto& s) {
             s.peer = Peer::qemu;
             s.max_queued_bytes = s.packet_size_max - 1;
         }},
    }));
    INFO(one.name);
    DestinationSettings settings;
    one.spoil(settings);
    CHECK_THAT(refusal(settings, kOneDevice), Catch::StartsWith(one.name));
}

const std::string kOffered = available_congestion_controls();

TEST_CASE("a congestion control that cannot be had here is named, and what could be", "[engine]") {
    struct Case {
        const char* name;
        const char* address;
        const char* words;
    };
    const auto one = GENERATE(values<Case>({
        {"no-such-thing", "tcp:127.0.0.1:1", "\"no-such-thing\", which this kernel does not have"},
        {"no-such-thing", "tcp:127.0.0.1:1", "it offers "},
        {"no-such-thing", "tcp:127.0.0.1:1", kOffered.c_str()},
        {"reno-and-more-than-fits", "tcp:127.0.0.1:1", "which this kernel does not have"},
        {"reno", "unix:/tmp/socket", "unix:/tmp/socket is no TCP address"},
        {"reno", "tcp:127.0.0.1:1", ""},
        {"", "unix:/tmp/socket", ""},
    }));
    CAPTURE(one.name, one.address);
    SourceSettings source;
    source.to = one.address;
    source.congestion_control = one.name;
    ListenerSettings listener;
    listener.listen = one.address;
    listener.congestion_control = one.name;
    std::string listener_refusal;
    try {
        check(listener);
    } catch (const std::invalid_argument& refused) {
        listener_refusal = refused.what();
    }
    for (const auto& said : {refusal(source, kOneDevice), listener_refusal}) {
        CHECK_THAT(said, Catch::Contains(one.words));
        CHECK(said.empty() == (one.words[0] == '\0'));
        if (!said.empty()) CHECK_THAT(said, Catch::StartsWith("congestion-control"));
    }
}

TEST_CASE("devices that cannot be told apart, named or called are refused", "[engine]") {
    struct Case {
        const char* name;
        std::vector<DeviceEntry> devices;
        const char* words;
    };
    const auto one = GENERATE(values<Case>({
        {"none", {}, "--device"},
        {"no name", {entry("")}, "idstr"},
        {"256 bytes", {entry(std::string(256, 'x'))}, "idstr"},
        {"a NUL", {entry(std::string("a\0b", 3))}, "idstr"},
        {"twice", {entry("gpu0", 3), entry("nic"), entry("gpu0", 3)}, "gpu0/3 is given twice"},
        {"no object", {{"gpu0", 0, MultifdProperty::automatic, nullptr}}, "gpu0 has no Device"},
        {"too many", std::vector<DeviceEntry>(4097, entry("gpu0")), "number of devices is 4097"},
    }));
    INFO(one.name);
    CHECK_THAT(refusal(SourceSettings{}, one.devices), Catch::Contains(one.words));
    CHECK_THAT(refusal(DestinationSettings{}, one.devices), Catch::Contains(one.words));
}

TEST_CASE("devices that differ in their instance alone are accepted", "[engine]") {
    CHECK(refusal(SourceSettings{}, {entry("gpu0", 0), entry("gpu0", 1)}).empty());
    CHECK(refusal(SourceSettings{}, {entry(std::string(255, 'x'))}).empty());
}

}  // namespace multifd
