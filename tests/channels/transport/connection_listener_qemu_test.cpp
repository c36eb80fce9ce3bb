// A listener for plain QEMU streams: channels before their session, one session at a time.
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "channels/transport/connection_listener.hpp"
#include "tests/channels/transport/listener_fixture.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;
using Counts = std::map<std::string, std::size_t>;

const SessionId kGuest = session_id(7);
const SessionId kStranger = session_id(8);
/// What the destination calls the session; a QEMU stream does not carry it.
const SessionId kOurs = session_id(1);

ConnectionListenerSettings qemu_settings() {
    ConnectionListenerSettings settings;
    settings.qemu = true;
    return settings;
}

/// Returns when everything that was sent before has been classified.
void await_classification(ListenerFixture& host) {
    const auto probe = host.client(main_bytes());
    REQUIRE(host.listener.accept_main(soon(), nullptr).has_value());
}

TEST_CASE("channels that come before their door are parked and claimed", "[listener][qemu]") {
    ListenerFixture host(qemu_settings());
    auto channel1 = host.client(channel_bytes(kGuest, 1));
    auto channel0 = host.client(channel_bytes(kGuest, 0));
    await_classification(host);
    const auto door = host.listener.open_door(kOurs, 3, false);
    auto channel2 = host.client(channel_bytes(kGuest, 2));
    auto collected = door->collect(soon(), nullptr);
    REQUIRE(collected.has_value());
    CHECK(are_connected(channel0, collected->channels[0]));
    CHECK(are_connected(channel1, collected->channels[1]));
    CHECK(are_connected(channel2, collected->channels[2]));
    CHECK_FALSE(collected->control.has_value());
    CHECK(host.log.entries().empty());
}

TEST_CASE("parked channels that have no place at the door are refused there", "[listener][qemu]") {
    ListenerFixture host(qemu_settings());
    auto first = host.client(channel_bytes(kGuest, 0));
    await_classification(host);
    auto again = host.client(channel_bytes(kGuest, 0));
    auto beyond = host.client(channel_bytes(kGuest, 2));
    auto stranger = host.client(channel_bytes(kStranger, 1));
    await_classification(host);
    const auto door = host.listener.open_door(kOurs, 2, false);
    CHECK(is_refused(again));
    CHECK(is_refused(beyond));
    CHECK(is_refused(stranger));
    CHECK(host.log.await(3) ==
          Counts{{"channel_duplicate", 1}, {"channel_id_invalid", 1}, {"session_unknown", 1}});
    CHECK(door->refused() == 3);
    auto second = host.client(channel_bytes(kGuest, 1));
    auto collected = door->collect(soon(), nullptr);
    REQUIRE(collected.has_value());
    CHECK(are_connected(first, collected->channels[0]));
    CHECK(are_connected(second, collected->channels[1]));
}

TEST_CASE("the first channel says whose door it is", "[listener][qemu]") {
    ListenerFixture host(qemu_settings());
    const auto door = host.listener.open_door(kOurs, 2, false);
    auto first = host.client(channel_bytes(kGuest, 0));
    auto stranger = Connection();
    REQUIRE(eventually([&] {
        // The first one has been let in once another's id is refused as a second of its kind.
        auto second = host.client(channel_bytes(kGuest, 0));
        return is_refused(second);
    }));
    stranger = host.client(channel_bytes(kStranger, 1));
    CHECK(is_refused(stranger));
    CHECK(host.log.count(Errc::session_unknown) == 1);
}

TEST_CASE("parked channels are limited in number", "[listener][qemu]") {
    auto settings = qemu_settings();
    settings.parked_max = 2;
    ListenerFixture host(settings);
    std::vector<Connection> channels;
    for (std::uint8_t id = 0; id < 2; ++id) {
        channels.push_back(host.client(channel_bytes(kGuest, id)));
    }
    await_classification(host);
    auto too_many = host.client(channel_bytes(kGuest, 2));
    CHECK(is_refused(too_many));
    CHECK(host.log.await(1) == Counts{{"connection_limit", 1}});
    const auto door = host.listener.open_door(kOurs, 2, false);
    CHECK(door->collect(soon(), nullptr).has_value());
}

TEST_CASE("parked channels are limited in time", "[listener][qemu]") {
    auto settings = qemu_settings();
    settings.parked_timeout = 150ms;
    ListenerFixture host(settings);
    auto first = host.client(channel_bytes(kGuest, 0));
    // The second one's time ends after the first one's.
    CHECK(host.listener.accept_main(after(60ms), nullptr).error() == Errc::connect_timeout);
    auto second = host.client(channel_bytes(kGuest, 1));
    CHECK(is_refused(first));
    CHECK(is_refused(second));
    CHECK(host.log.await(2) == Counts{{"session_unknown", 2}});
    const auto door = host.listener.open_door(kOurs, 1, false);
    CHECK(door->collect(after(20ms), nullptr).error() == Errc::connect_timeout);
}

TEST_CASE("a second main channel is refused while a door is open", "[listener][qemu]") {
    ListenerFixture host(qemu_settings());
    auto main = host.client(main_bytes());
    REQUIRE(host.listener.accept_main(soon(), nullptr).has_value());
    // One that came before the door was opened, and one after.
    auto early = host.client(main_bytes());
    auto silent = host.client(channel_bytes(kGuest, 0));
    auto unknown = host.client(pattern(64));
    REQUIRE(host.log.await(1) == Counts{{"connection_kind_unknown", 1}});
    auto door = host.listener.open_door(kOurs, 1, false);
    auto late = host.client(main_bytes());
    CHECK(is_refused(early));
    CHECK(is_refused(late));
    CHECK(host.log.await(3).at("session_duplicate") == 2);
    CHECK(door->collect(soon(), nullptr).has_value());

    // The next session may come when this one's door is closed.
    door.reset();
    auto next = host.client(main_bytes());
    auto accepted = host.listener.accept_main(soon(), nullptr);
    REQUIRE(accepted.has_value());
    Bytes bytes(main_bytes().size());
    CHECK(accepted->receive_full(bytes).has_value());
    CHECK(are_connected(next, *accepted));
}

TEST_CASE("a second door is turned away", "[listener][qemu]") {
    ListenerFixture host(qemu_settings());
    auto first = host.listener.open_door(kOurs, 1, false);
    {
        const auto second = host.listener.open_door(kStranger, 1, false);
        CHECK(second->collect(soon(), nullptr).error() == Errc::session_duplicate);
    }
    auto channel = host.client(channel_bytes(kGuest, 0));
    CHECK(first->collect(soon(), nullptr).has_value());
}

TEST_CASE("a control connection is foreign to a QEMU stream", "[listener][qemu]") {
    ListenerFixture host(qemu_settings());
    auto early = host.client(control_bytes(kGuest));
    CHECK(is_refused(early));
    const auto door = host.listener.open_door(kOurs, 1, false);
    auto late = host.client(control_bytes(kGuest));
    CHECK(is_refused(late));
    CHECK(host.log.await(2) == Counts{{"connection_kind_unknown", 2}});
}

TEST_CASE("a stream whose sender has gone before it was accepted can still be read",
          "[listener][qemu]") {
    ListenerFixture host(qemu_settings());
    host.client(main_bytes()) = Connection();
    // Classified: what came later has been.
    auto unknown = host.client(pattern(64));
    REQUIRE(is_refused(unknown));
    auto main = host.listener.accept_main(soon(), nullptr);
    REQUIRE(main.has_value());
    Bytes bytes(main_bytes().size());
    CHECK(main->receive_full(bytes).value() == bytes.size());
    CHECK(main->receive_full(bytes).value() == 0);
}

}  // namespace
}  // namespace multifd
