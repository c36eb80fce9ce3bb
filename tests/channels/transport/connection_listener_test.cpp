#include "channels/transport/connection_listener.hpp"

#include <fcntl.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "channels/transport/connector.hpp"
#include "channels/transport/listening_socket.hpp"
#include "channels/transport/system_error.hpp"
#include "tests/channels/transport/listener_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;
using Counts = std::map<std::string, std::size_t>;

const SessionId kSession = session_id(1);
const SessionId kOther = session_id(2);

ConnectionListenerSettings quick_to_judge(std::chrono::milliseconds timeout) {
    ConnectionListenerSettings settings;
    settings.classify_timeout = timeout;
    settings.parked_timeout = timeout;
    return settings;
}

TEST_CASE("one session's connections come in by several addresses", "[listener]") {
    const TemporaryFolder folder;
    ConnectionListenerSettings settings;
    settings.address = *parse_address("tcp:127.0.0.1:0");
    settings.also = {*parse_address("tcp:127.0.0.2:0"), *parse_address("tcp:[::1]:0"),
                     *parse_address("unix:" + (folder / "socket"))};
    ConnectionListener listener(settings);
    const auto addresses = listener.local_addresses();
    REQUIRE(addresses.size() == 4);
    CHECK(listener.local_address() == addresses.front());
    const auto client = [&](std::size_t address, const Bytes& bytes) {
        auto made = connect(addresses[address], soon(), nullptr).value();
        REQUIRE_FALSE(made.send(bytes));
        return made;
    };

    const auto main_client = client(3, main_bytes());
    CHECK(listener.accept_main(soon(), nullptr).has_value());
    const auto door = listener.open_door(kSession, 4, false);
    std::vector<Connection> clients;
    for (std::uint8_t id = 0; id < 4; ++id) {
        clients.push_back(client(id, channel_bytes(kSession, id)));
    }
    auto collected = door->collect(soon(), nullptr);
    REQUIRE(collected.has_value());
    for (std::size_t id = 0; id < 4; ++id) {
        CAPTURE(id);
        CHECK(are_connected(clients[id], collected->channels[id]));
        CHECK(local_address_of(collected->channels[id].fd()) == addresses[id]);
    }
}

TEST_CASE("a listener listens on all of its addresses or on none", "[listener]") {
    const TemporaryFolder folder;
    const ListeningSocket taken(*parse_address("tcp:127.0.0.1:0"));
    ConnectionListenerSettings settings;
    settings.address = *parse_address("unix:" + (folder / "socket"));
    settings.also = {taken.local_address()};
    try {
        const ConnectionListener listener(settings);
        FAIL("it listens on an address that is taken");
    } catch (const std::system_error& error) {
        CHECK(error.code() == std::error_code(EADDRINUSE, std::system_category()));
        CHECK_THAT(error.what(), Catch::StartsWith(to_string(taken.local_address())));
    }
    CHECK(connect(settings.address, soon(), nullptr).error() == system_error(ENOENT));
}

TEST_CASE("a session's connections come in by id, whatever their order", "[listener]") {
    const TemporaryFolder folder;
    const std::string where = GENERATE(values<std::string>({"tcp:127.0.0.1:0", "tcp:[::1]:0", ""}));
    ConnectionListenerSettings settings;
    settings.address = *parse_address(where.empty() ? "unix:" + (folder / "socket") : where);
    CAPTURE(where);
    ListenerFixture host(settings);

    auto main_client = host.client(main_bytes());
    auto main = host.listener.accept_main(soon(), nullptr);
    REQUIRE(main.has_value());
    CHECK((::fcntl(main->fd(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(main->fd(), F_GETFL) & O_NONBLOCK) == 0);
    // Nothing of it has been consumed.
    Bytes first(main_bytes().size());
    REQUIRE(main->receive_full(first).value() == first.size());
    CHECK(first == main_bytes());
    CHECK(are_connected(main_client, *main));

    const auto door = host.listener.open_door(kSession, 3, true);
    auto channel2 = host.client(channel_bytes(kSession, 2));
    auto control = host.client(control_bytes(kSession));
    auto channel0 = host.client(channel_bytes(kSession, 0));
    auto channel1 = host.client(channel_bytes(kSession, 1));
    auto collected = door->collect(soon(), nullptr);
    REQUIRE(collected.has_value());
    REQUIRE(collected->channels.size() == 3);
    CHECK(are_connected(channel0, collected->channels[0]));
    CHECK(are_connected(channel1, collected->channels[1]));
    CHECK(are_connected(channel2, collected->channels[2]));
    REQUIRE(collected->control.has_value());
    CHECK(are_connected(control, *collected->control));
    CHECK(door->refused() == 0);
    CHECK(host.log.entries().empty());
}

TEST_CASE("first bytes that come one by one are put together", "[listener]") {
    ListenerFixture host;
    const auto door = host.listener.open_door(kSession, 1, false);
    auto channel = host.client();
    for (const auto byte : channel_bytes(kSession, 0)) REQUIRE_FALSE(channel.send({&byte, 1}));
    auto collected = door->collect(soon(), nullptr);
    REQUIRE(collected.has_value());
    CHECK(are_connected(channel, collected->channels[0]));

    auto main = host.client();
    const auto bytes = main_bytes();
    REQUIRE_FALSE(main.send(std::span(bytes).first(1)));
    CHECK(host.listener.accept_main(after(20ms), nullptr).error() == Errc::connect_timeout);
    REQUIRE_FALSE(main.send(std::span(bytes).subspan(1)));
    CHECK(host.listener.accept_main(soon(), nullptr).has_value());
}

TEST_CASE("a connection that has begun to say what it is costs no processor time", "[listener]") {
    ListenerFixture host;
    const auto silent = host.client();
    const auto hesitant = host.client(Bytes{std::byte{'Q'}, std::byte{'E'}});
    const auto half = host.client(beginning_of(channel_bytes(kSession, 0), 30));
    // When these are served, the three have been looked at.
    const auto main = host.client(main_bytes());
    REQUIRE(host.listener.accept_main(soon(), nullptr).has_value());
    const auto before = processor_time();
    CHECK(host.listener.accept_main(after(300ms), nullptr).has_error());
    CHECK(processor_time() - before < 15ms);
}

TEST_CASE("a stranger is refused with its reason, and the session goes on", "[listener]") {
    ListenerFixture host;
    const auto door = host.listener.open_door(kSession, 2, true);
    auto channel0 = host.client(channel_bytes(kSession, 0));
    auto control = host.client(control_bytes(kSession));
    // One of each pair is let in first; only then can the second be a second.
    auto probe = host.client(main_bytes());
    REQUIRE(host.listener.accept_main(soon(), nullptr).has_value());

    auto wrong_version = channel_bytes(kSession, 0);
    wrong_version[7] = std::byte{2};
    auto control_with_id = control_bytes(kSession);
    control_with_id[24] = std::byte{1};
    struct Case {
        Bytes bytes;
        Errc expected;
        bool at_the_door;
    };
    const std::vector<Case> strangers{
        {channel_bytes(kOther, 0), Errc::session_unknown, false},
        {control_bytes(kOther), Errc::session_unknown, false},
        {channel_bytes(kSession, 2), Errc::channel_id_invalid, true},
        {channel_bytes(kSession, 255), Errc::channel_id_invalid, false},
        {control_with_id, Errc::channel_id_invalid, false},
        {channel_bytes(kSession, 0), Errc::channel_duplicate, true},
        {control_bytes(kSession), Errc::channel_duplicate, true},
        {wrong_version, Errc::channel_version_wrong, false},
        {pattern(64), Errc::connection_kind_unknown, false},
        {pattern(100'000), Errc::connection_kind_unknown, false},
    };
    std::size_t refused = 0;
    std::uint64_t refused_at_the_door = 0;
    for (const auto& stranger : strangers) {
        CAPTURE(error_name(stranger.expected));
        auto client = host.client();
        // A long one may be cut off while it still sends.
        [[maybe_unused]] const auto cut_off = client.send(stranger.bytes);
        CHECK(is_refused(client));
        CHECK(host.log.await(++refused).size() > 0);
        CHECK(host.log.entries().back().error == stranger.expected);
        if (stranger.at_the_door) ++refused_at_the_door;
    }
    CHECK(door->refused() == refused_at_the_door);

    auto channel1 = host.client(channel_bytes(kSession, 1));
    auto collected = door->collect(soon(), nullptr);
    REQUIRE(collected.has_value());
    CHECK(are_connected(channel0, collected->channels[0]));
    CHECK(are_connected(channel1, collected->channels[1]));
    CHECK(are_connected(control, *collected->control));
    // The door is still open, and still knows who has come in.
    auto late = host.client(channel_bytes(kSession, 1));
    CHECK(is_refused(late));
    CHECK(host.log.await(refused + 1).at("channel_duplicate") == 3);
}

TEST_CASE("a session whose door is closed is unknown again", "[listener]") {
    ListenerFixture host;
    auto door = host.listener.open_door(kSession, 2, false);
    auto first = host.client(channel_bytes(kSession, 0));
    CHECK(door->collect(after(50ms), nullptr).error() == Errc::connect_timeout);
    door.reset();
    CHECK(is_refused(first));
    auto second = host.client(channel_bytes(kSession, 1));
    CHECK(is_refused(second));
    CHECK(host.log.await(1) == Counts{{"session_unknown", 1}});
}

TEST_CASE("a door that wants no control connection refuses one", "[listener]") {
    ListenerFixture host;
    const auto door = host.listener.open_door(kSession, 1, false);
    auto control = host.client(control_bytes(kSession));
    CHECK(is_refused(control));
    CHECK(host.log.await(1) == Counts{{"connection_kind_unknown", 1}});
}

TEST_CASE("a door without channels and control has all it wants", "[listener]") {
    ListenerFixture host;
    const auto door = host.listener.open_door(kSession, 0, false);
    CHECK(door->collect(soon(), nullptr).has_value());
}

TEST_CASE("one listener serves several sessions at once", "[listener]") {
    ListenerFixture host;
    const auto door_a = host.listener.open_door(kSession, 1, true);
    const auto door_b = host.listener.open_door(kOther, 1, true);
    auto control_b = host.client(control_bytes(kOther));
    auto channel_a = host.client(channel_bytes(kSession, 0));
    auto channel_b = host.client(channel_bytes(kOther, 0));
    auto control_a = host.client(control_bytes(kSession));
    auto a = door_a->collect(soon(), nullptr);
    auto b = door_b->collect(soon(), nullptr);
    REQUIRE(a.has_value());
    REQUIRE(b.has_value());
    CHECK(are_connected(channel_a, a->channels[0]));
    CHECK(are_connected(channel_b, b->channels[0]));
    CHECK(are_connected(control_a, *a->control));
    CHECK(are_connected(control_b, *b->control));
}

TEST_CASE("a silent connection is refused by its deadline while others are served", "[listener]") {
    ListenerFixture host(quick_to_judge(200ms));
    auto silent = host.client();
    auto slow = host.client(beginning_of(channel_bytes(kSession, 0), 63));
    auto hesitant = host.client(beginning_of(main_bytes(), 3));
    const auto door = host.listener.open_door(kSession, 1, false);
    auto channel = host.client(channel_bytes(kSession, 0));
    auto collected = door->collect(soon(), nullptr);
    REQUIRE(collected.has_value());

    CHECK(is_refused(silent));
    CHECK(is_refused(slow));
    CHECK(is_refused(hesitant));
    CHECK(host.log.await(3) == Counts{{"classification_timeout", 3}});
    CHECK(are_connected(channel, collected->channels[0]));
}

TEST_CASE("a connection that closes before it has said what it is, is reported as that",
          "[listener]") {
    ListenerFixture host;
    host.client() = Connection();
    host.client(beginning_of(channel_bytes(kSession, 0), 63)) = Connection();
    CHECK(host.log.await(2) == Counts{{"channel_closed_early", 2}});
}

TEST_CASE("of too many connections that say nothing the oldest makes room", "[listener]") {
    ConnectionListenerSettings settings;
    settings.unclassified_max = 3;
    ListenerFixture host(settings);
    std::vector<Connection> silent;
    for (int count = 0; count < 4; ++count) silent.push_back(host.client());
    CHECK(is_refused(silent[0]));
    CHECK(host.log.await(1) == Counts{{"connection_limit", 1}});
    // One of those that are left says what it is: nobody has to go for the next one.
    REQUIRE_FALSE(silent[1].send(main_bytes()));
    REQUIRE(host.listener.accept_main(soon(), nullptr).has_value());
    auto next = host.client(main_bytes());
    CHECK(host.listener.accept_main(soon(), nullptr).has_value());
    CHECK(host.log.entries().size() == 1);
}

TEST_CASE("main channels go to those who wait, the longest first", "[listener]") {
    ListenerFixture host;
    struct Waiter {
        Result<Connection> main = ErrorCode(Errc::internal_error);
        std::unique_ptr<WatchedThread> thread;
    };
    std::vector<Waiter> waiters(3);
    for (auto& waiter : waiters) {
        waiter.thread = std::make_unique<WatchedThread>(
            [&] { waiter.main = host.listener.accept_main(soon(), nullptr); });
        waiter.thread->await_sleep();
    }
    std::vector<Connection> clients;
    for (auto& waiter : waiters) {
        clients.push_back(host.client(main_bytes()));
        waiter.thread->join();
        REQUIRE(waiter.main.has_value());
        Bytes first(main_bytes().size());
        REQUIRE(waiter.main->receive_full(first).has_value());
        CHECK(are_connected(clients.back(), *waiter.main));
    }
}

TEST_CASE("sixteen main channels may wait; one that gives up makes room", "[listener]") {
    ListenerFixture host;
    std::vector<Connection> queued;
    for (std::size_t count = 0; count < kMainBacklogMax; ++count) {
        queued.push_back(host.client(main_bytes()));
    }
    auto too_many = host.client(main_bytes());
    CHECK(is_refused(too_many));
    CHECK(host.log.await(1) == Counts{{"connection_limit", 1}});

    queued[0] = Connection();
    queued[5] = Connection();
    queued.push_back(host.client(main_bytes()));
    for (std::size_t count = 0; count < kMainBacklogMax - 1; ++count) {
        REQUIRE(host.listener.accept_main(soon(), nullptr).has_value());
    }
    CHECK(host.log.await(3) == Counts{{"connection_limit", 1}, {"peer_closed", 2}});
    CHECK(host.listener.accept_main(after(20ms), nullptr).error() == Errc::connect_timeout);
}

TEST_CASE("a main channel that nobody accepts in time is refused", "[listener]") {
    ListenerFixture host(quick_to_judge(100ms));
    auto main = host.client(main_bytes());
    CHECK(is_refused(main));
    CHECK(host.log.await(1) == Counts{{"session_unknown", 1}});
    // And again, so that the timer has not been used up.
    auto second = host.client(main_bytes());
    CHECK(is_refused(second));
}

TEST_CASE("deadlines and interrupts end accept_main and collect", "[listener]") {
    ListenerFixture host;
    const auto door = host.listener.open_door(kSession, 1, true);
    Interrupt interrupt;
    std::optional<Result<Connection>> main;
    std::optional<Result<SessionDoor::Connections>> collected;
    WatchedThread accepting([&] { main = host.listener.accept_main(kNoDeadline, &interrupt); });
    WatchedThread collecting([&] { collected = door->collect(kNoDeadline, &interrupt); });
    accepting.await_sleep();
    collecting.await_sleep();
    interrupt.raise();
    accepting.join();
    collecting.join();
    CHECK(main->error() == Errc::cancelled);
    CHECK(collected->error() == Errc::cancelled);

    const auto begin = Clock::now();
    CHECK(host.listener.accept_main(after(20ms), nullptr).error() == Errc::connect_timeout);
    CHECK(door->collect(after(20ms), nullptr).error() == Errc::connect_timeout);
    CHECK(Clock::now() - begin >= 40ms);

    // A waiter that has left takes no main channel with it, not even one that was there already.
    auto client = host.client(main_bytes());
    auto unknown = host.client(pattern(64));
    REQUIRE(is_refused(unknown));
    CHECK(host.listener.accept_main(soon(), &interrupt).error() == Errc::cancelled);
    CHECK(host.listener.accept_main(soon(), nullptr).has_value());
}

TEST_CASE("the end of a listener cancels those who wait, and refuses who comes", "[listener]") {
    RefusalLog log;
    ConnectionListenerSettings settings;
    settings.address.host = "127.0.0.1";
    auto listener = std::make_unique<ConnectionListener>(settings, log.sink());
    const auto door = listener->open_door(kSession, 2, false);
    std::optional<Result<Connection>> main;
    std::optional<Result<SessionDoor::Connections>> collected;
    // Not through the pointer, which reset() changes.
    WatchedThread accepting(
        [&, &alive = *listener] { main = alive.accept_main(kNoDeadline, nullptr); });
    WatchedThread collecting([&] { collected = door->collect(kNoDeadline, nullptr); });
    accepting.await_sleep();
    collecting.await_sleep();
    listener.reset();
    accepting.join();
    collecting.join();
    CHECK(main->error() == Errc::cancelled);
    CHECK(collected->error() == Errc::cancelled);
    CHECK(door->refused() == 0);
}

}  // namespace
}  // namespace multifd
