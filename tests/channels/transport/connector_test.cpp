#include "channels/transport/connector.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "channels/transport/listening_socket.hpp"
#include "channels/transport/resolver.hpp"
#include "channels/transport/system_error.hpp"
#include "tests/channels/transport/full_listener.hpp"
#include "tests/channels/transport/sockets.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a connection is made to a name, to IPv4, to IPv6 and to a path", "[connector]") {
    const TemporaryFolder folder;
    struct Case {
        std::string listen;
        std::string host;
    };
    const auto sample = GENERATE(values<Case>({{"tcp:127.0.0.1:0", "127.0.0.1"},
                                               {"tcp:[::1]:0", "::1"},
                                               {"tcp:127.0.0.1:0", "localhost"},
                                               {"tcp::0", "127.0.0.1"},
                                               {"tcp::0", "::1"},
                                               {"", ""}}));
    CAPTURE(sample.listen, sample.host);
    const bool tcp = !sample.listen.empty();
    const ListeningSocket listening(
        *parse_address(tcp ? sample.listen : "unix:" + (folder / "socket")));
    Address target = listening.local_address();
    if (tcp) target.host = sample.host;

    auto made = connect(target, soon(), nullptr);

    REQUIRE(made.has_value());
    CHECK(made->peer() == to_string(target));
    CHECK(listening.accept().has_value());
    CHECK((::fcntl(made->fd(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(made->fd(), F_GETFL) & O_NONBLOCK) == 0);
    int no_delay = 0;
    socklen_t size = sizeof no_delay;
    if (tcp) {
        REQUIRE(::getsockopt(made->fd(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size) == 0);
        CHECK(no_delay != 0);
    }
}

TEST_CASE("nobody listening is the system's error", "[connector]") {
    const TemporaryFolder folder;
    Address target;
    {
        const ListeningSocket gone(*parse_address("tcp:127.0.0.1:0"));
        target = gone.local_address();
    }
    CHECK(connect(target, soon(), nullptr).error() == system_error(ECONNREFUSED));
    CHECK(connect(*parse_address("unix:" + (folder / "none")), soon(), nullptr).error() ==
          system_error(ENOENT));
    CHECK(connect(*parse_address("unix:/" + std::string(200, 'x')), soon(), nullptr).error() ==
          system_error(ENAMETOOLONG));
}

TEST_CASE("an address that cannot be connected to is address_invalid", "[connector]") {
    CHECK(connect(*parse_address("tcp::4444"), soon(), nullptr).error() == Errc::address_invalid);
    CHECK(connect(*parse_address("tcp:127.0.0.1:0"), soon(), nullptr).error() ==
          Errc::address_invalid);
}

TEST_CASE("a connection leaves from the address it was told to", "[connector]") {
    struct Case {
        std::string listen;
        std::string from;
    };
    const auto sample = GENERATE(values<Case>({{"tcp:127.0.0.1:0", "127.0.0.2"},
                                               {"tcp:127.0.0.1:0", "127.0.0.1"},
                                               {"tcp:[::1]:0", "::1"}}));
    CAPTURE(sample.listen, sample.from);
    const ListeningSocket listening(*parse_address(sample.listen));
    const NetworkPath path{.to = listening.local_address(),
                           .from = numeric_address(sample.from, 0).value()};

    const auto first = connect(path, soon(), nullptr);
    const auto second = connect(path, soon(), nullptr);

    REQUIRE(first.has_value());
    REQUIRE(second.has_value());
    CHECK(local_address_of(first->fd()).host == sample.from);
    CHECK(local_address_of(first->fd()).port != local_address_of(second->fd()).port);
    const auto accepted = listening.accept();
    REQUIRE(accepted.has_value());
    CHECK(accepted->peer == to_string(local_address_of(first->fd())));
}

TEST_CASE("a source address that cannot be used is told from a destination that cannot",
          "[connector]") {
    const ListeningSocket listening(*parse_address("tcp:127.0.0.1:0"));
    const auto from = [&](const std::string& host) {
        return connect(NetworkPath{.to = listening.local_address(),
                                   .from = numeric_address(host, 0).value()},
                       soon(), nullptr)
            .error();
    };
    // Addresses kept for documentation: no host has them.
    CHECK(from("192.0.2.1") == Errc::bind_not_local);
    CHECK(from("::1") == Errc::bind_family_wrong);
    CHECK(from("2001:db8::1") == Errc::bind_family_wrong);
    CHECK(numeric_address("localhost", 0).error() == Errc::address_invalid);
}

TEST_CASE("a name that does not exist is an error that says so", "[connector]") {
    // No label may be longer than 63 letters, so no name server is asked.
    const auto made =
        connect(*parse_address("tcp:" + std::string(64, 'x') + ":1"), soon(), nullptr);
    REQUIRE(made.has_error());
    CHECK_FALSE(made.error().message().empty());
    CHECK(made.error() != Errc::connect_timeout);
}

TEST_CASE("of a name's addresses the first that answers is taken", "[connector]") {
    const TemporaryFolder folder;
    Address loopback;
    loopback.host = "127.0.0.1";
    const ListeningSocket answers(loopback);
    const auto good = resolve("127.0.0.1", answers.local_address().port)->front();
    const auto absent = unix_socket_address(folder / "absent").value();
    const FullListener full(folder / "full");
    const auto silent = unix_socket_address(folder / "full").value();

    CHECK(connect({absent, good}, "peer", soon(), nullptr).value().peer() == "peer");
    CHECK(connect({good, absent}, "peer", soon(), nullptr).has_value());
    CHECK(connect({absent, absent}, "peer", soon(), nullptr).error() == system_error(ENOENT));
    // The silent one uses up its own share of the time only.
    CHECK(connect({silent, good}, "peer", after(2s), nullptr).has_value());
    CHECK(connect({good, silent}, "peer", after(2s), nullptr).has_value());
    CHECK(connect({silent, silent}, "peer", after(50ms), nullptr).error() == Errc::connect_timeout);
}

TEST_CASE("a full backlog is waited for, within the deadline and until the interrupt",
          "[connector]") {
    const TemporaryFolder folder;
    FullListener full(folder / "socket");
    REQUIRE_FALSE(full.waiting.empty());
    const Address target = full.listening.local_address();

    const auto begin = Clock::now();
    CHECK(connect(target, begin + 50ms, nullptr).error() == Errc::connect_timeout);
    CHECK(Clock::now() - begin >= 50ms);

    Interrupt interrupt;
    std::optional<Result<Connection>> made;
    WatchedThread connecting([&] { made = connect(target, kNoDeadline, &interrupt); });
    connecting.await_sleep();
    interrupt.raise();
    connecting.join();
    CHECK(made->error() == Errc::cancelled);

    std::optional<Result<Connection>> second;
    WatchedThread patient([&] { second = connect(target, soon(), nullptr); });
    patient.await_sleep();
    REQUIRE(full.listening.accept().has_value());
    patient.join();
    CHECK(second->has_value());
}

}  // namespace
}  // namespace multifd
