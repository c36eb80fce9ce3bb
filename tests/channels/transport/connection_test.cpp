#include "channels/transport/connection.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <random>
#include <span>
#include <utility>

#include "tests/channels/transport/sockets.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

/// More than any socket buffer takes.
constexpr std::size_t kTooMuch = 64U << 20U;

Pair stream_pair(const std::string& kind) {
    return kind == "unix" ? unix_pair(SOCK_STREAM) : tcp_pair(kind);
}

TEST_CASE("header and payload arrive whole through tiny buffers and fragmented reads",
          "[connection]") {
    const auto kind = GENERATE(values<std::string>({"unix", "127.0.0.1", "::1"}));
    const auto seed = static_cast<std::uint32_t>(GENERATE(take(3, random(1, 1 << 30))));
    CAPTURE(kind, seed);
    std::mt19937 random(seed);
    auto pair = stream_pair(kind);
    shrink_send_buffer(pair.left);
    const auto header = pattern(1 + random() % 400, seed);
    const auto payload = pattern(random() % 200'000, seed + 1);

    ErrorCode sent = Errc::internal_error;
    WatchedThread sender([&] { sent = pair.left.send(header, payload); });
    Bytes received(header.size() + payload.size());
    std::span<std::byte> rest(received);
    while (!rest.empty()) {
        const auto part = rest.first(std::min<std::size_t>(rest.size(), 1 + random() % 5000));
        const auto count = random() % 2 == 0 ? pair.right.receive_full(part)
                                             : pair.right.receive_some(part, soon(), nullptr);
        REQUIRE(count.has_value());
        REQUIRE(*count > 0);
        rest = rest.subspan(*count);
    }
    sender.join();

    CHECK_FALSE(sent);
    CHECK(std::ranges::equal(std::span(received).first(header.size()), header));
    CHECK(std::ranges::equal(std::span(received).subspan(header.size()), payload));
}

TEST_CASE("header and payload leave in one write", "[connection]") {
    auto pair = unix_pair(SOCK_SEQPACKET);
    const auto header = pattern(288);
    const auto payload = pattern(GENERATE(as<std::size_t>{}, 0, 1, 4096, 65536), 2);

    REQUIRE_FALSE(pair.left.send(header, payload));

    // Each write is one message of its own.
    Bytes message(header.size() + payload.size() + 1);
    const auto size = pair.right.receive_some(message, soon(), nullptr);
    REQUIRE(size.has_value());
    CHECK(*size == header.size() + payload.size());
}

TEST_CASE("runs leave with what stands before them, and arrive in order however many there are",
          "[connection]") {
    const std::size_t count = GENERATE(as<std::size_t>{}, 0, 1, 254, 255, 256, 3000);
    const auto seed = static_cast<std::uint32_t>(GENERATE(take(2, random(1, 1 << 30))));
    CAPTURE(count, seed);
    std::mt19937 random(seed);
    auto pair = unix_pair(SOCK_STREAM);
    shrink_send_buffer(pair.left);
    const auto all = pattern(400 + 64 + count * 100, seed);
    const auto header = std::span(all).first(400);
    const auto payload = std::span(all).subspan(400, random() % 2 * 64);
    std::vector<std::span<const std::byte>> runs;
    Bytes expected(header.begin(), header.end());
    expected.insert(expected.end(), payload.begin(), payload.end());
    for (std::size_t i = 0; i < count; ++i) {
        runs.push_back(std::span(all).subspan(464 + i * 100, 1 + random() % 100));
        expected.insert(expected.end(), runs.back().begin(), runs.back().end());
    }

    ErrorCode sent = Errc::internal_error;
    WatchedThread sender([&] { sent = pair.left.send(header, payload, runs); });
    Bytes received(expected.size());
    REQUIRE(pair.right.receive_full(received).has_value());
    sender.join();

    CHECK_FALSE(sent);
    CHECK(received == expected);
}

TEST_CASE("many runs leave in one write", "[connection]") {
    auto pair = unix_pair(SOCK_SEQPACKET);
    const auto header = pattern(292);
    const std::vector<std::span<const std::byte>> runs(200, std::span(header).first(100));

    REQUIRE_FALSE(pair.left.send(header, std::span(header).first(32), runs));

    Bytes message(100'000);
    const auto size = pair.right.receive_some(message, soon(), nullptr);
    REQUIRE(size.has_value());
    CHECK(*size == 292 + 32 + 20'000);
}

TEST_CASE("a close before the first byte is the end, inside it is channel_closed_early",
          "[connection]") {
    const auto kind = GENERATE(values<std::string>({"unix", "127.0.0.1", "::1"}));
    auto pair = stream_pair(kind);
    Bytes target(10);
    const auto sent = GENERATE(as<std::size_t>{}, 0, 1, 9, 10);
    CAPTURE(kind, sent);
    if (sent > 0) REQUIRE_FALSE(pair.left.send(pattern(sent)));
    pair.left = Connection();

    const auto first = pair.right.receive_full(target);
    if (sent == 0) {
        CHECK(first.value() == 0);
    } else if (sent < target.size()) {
        CHECK(first.error() == Errc::channel_closed_early);
    } else {
        CHECK(first.value() == target.size());
        CHECK(pair.right.receive_full(target).value() == 0);
    }
}

TEST_CASE("sending to a closed peer is an error code and no signal", "[connection]") {
    const auto kind = GENERATE(values<std::string>({"unix", "127.0.0.1"}));
    CAPTURE(kind);
    // The default action of SIGPIPE would end this process.
    REQUIRE(::signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    auto pair = stream_pair(kind);
    pair.right = Connection();
    const auto bytes = pattern(1000);
    ErrorCode data_plane;
    ErrorCode control_plane;
    REQUIRE(
        eventually([&] { return data_plane = pair.left.send(bytes, bytes), data_plane.failed(); }));
    REQUIRE(eventually([&] {
        return control_plane = pair.left.send(bytes, soon(), nullptr), control_plane.failed();
    }));
    CHECK((data_plane.value() == EPIPE || data_plane.value() == ECONNRESET));
    CHECK((control_plane.value() == EPIPE || control_plane.value() == ECONNRESET));
    CHECK(data_plane.category() == boost::system::system_category());
}

TEST_CASE("what may stand unsent is limited on TCP, and on no other socket", "[connection]") {
    const auto kind = GENERATE(values<std::string>({"unix", "127.0.0.1"}));
    CAPTURE(kind);
    auto pair = stream_pair(kind);
    pair.left.limit_unsent(100'000);
    int limit = 0;
    socklen_t size = sizeof limit;
    const int answer = ::getsockopt(pair.left.fd(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &limit, &size);
    CHECK((answer == 0) == (kind != "unix"));
    if (answer == 0) CHECK(limit == 100'000);
    CHECK_FALSE(pair.left.send(Bytes(10, std::byte{1})));
}

TEST_CASE("a receive ends with its last byte, with nothing behind it", "[connection]") {
    const auto kind = GENERATE(values<std::string>({"unix", "127.0.0.1", "::1"}));
    // Around what a sleeping receiver is woken for: 4 KiB and 256 KiB.
    const auto size =
        GENERATE(as<std::size_t>{}, 4095, 4096, 20'000, 200'000, 262'144, 262'145, 1U << 20U);
    const auto last = GENERATE(as<std::size_t>{}, 1, 4000, 5000, 199'999);
    if (last >= size) return;
    CAPTURE(kind, size, last);
    auto pair = stream_pair(kind);
    const auto bytes = pattern(size);
    const auto begin = std::span(bytes).first(size - last);
    WatchedThread sender([&] { (void)pair.left.send(begin); });
    // The receiver finds a part of it, sometimes all, before it sleeps.
    pollfd there{pair.right.fd(), POLLIN, 0};
    REQUIRE(::poll(&there, 1, 20'000) == 1);
    Bytes received(size);
    std::atomic<bool> ended = false;
    Result<std::size_t> count = ErrorCode(Errc::internal_error);
    WatchedThread receiver([&] {
        count = pair.right.receive_full(received);
        ended = true;
    });
    sender.join();
    receiver.await_sleep();
    REQUIRE_FALSE(pair.left.send(std::span(bytes).last(last)));
    CHECK(eventually([&] { return ended.load(); }));
    pair.right.shut_down();
    receiver.join();
    REQUIRE(count.has_value());
    CHECK(*count == size);
    CHECK(received == bytes);
}

TEST_CASE("a sleeping receiver is not woken for each segment, nor for more than it wants",
          "[connection]") {
    auto pair = stream_pair("127.0.0.1");
    const auto wanted = GENERATE(as<std::size_t>{}, 12, 5000, 1U << 20U);
    CAPTURE(wanted);
    Bytes received(wanted);
    WatchedThread receiver([&] { (void)pair.right.receive_full(received); });
    receiver.await_sleep();
    int wakes_at = 0;
    socklen_t size = sizeof wakes_at;
    REQUIRE(::getsockopt(pair.right.fd(), SOL_SOCKET, SO_RCVLOWAT, &wakes_at, &size) == 0);
    CHECK(wakes_at == (wanted == 12 ? 1 : wanted == 5000 ? 5000 : 256 * 1024));
    pair.right.shut_down();
    receiver.join();
}

TEST_CASE("after a long receive a short wait sees the first byte", "[connection]") {
    auto pair = stream_pair(GENERATE(values<std::string>({"unix", "127.0.0.1"})));
    const auto bytes = pattern(1U << 20U);
    Bytes received(bytes.size());
    WatchedThread sender([&] { (void)pair.left.send(bytes); });
    REQUIRE(pair.right.receive_full(received).value() == bytes.size());
    sender.join();
    REQUIRE_FALSE(pair.left.send(pattern(1)));
    CHECK(pair.right.receive_some(received, soon(), nullptr).value() == 1);
    REQUIRE_FALSE(pair.left.send(pattern(12)));
    CHECK(pair.right.receive_full(std::span(received).first(12)).value() == 12);
}

TEST_CASE("a send before more keeps nothing back for good", "[connection]") {
    auto pair = stream_pair(GENERATE(values<std::string>({"unix", "127.0.0.1"})));
    const auto header = pattern(288);
    const auto payload = pattern(100'000, 2);
    REQUIRE_FALSE(pair.left.send(header, std::span(payload).first(1), Then::more));
    REQUIRE_FALSE(pair.left.send(std::span(payload).subspan(1)));
    Bytes received(header.size() + payload.size());
    REQUIRE(pair.right.receive_full(received).value() == received.size());
    CHECK(std::ranges::equal(std::span(received).first(header.size()), header));
    CHECK(std::ranges::equal(std::span(received).subspan(header.size()), payload));
}

TEST_CASE("shut_down wakes a blocked receive", "[connection]") {
    auto pair = stream_pair(GENERATE(values<std::string>({"unix", "127.0.0.1", "::1"})));
    Bytes target(10);
    Result<std::size_t> received = ErrorCode(Errc::internal_error);
    WatchedThread receiver([&] { received = pair.right.receive_full(target); });
    receiver.await_sleep();
    pair.right.shut_down();
    receiver.join();
    CHECK(received.value() == 0);
    pair.right.shut_down();
}

TEST_CASE("shut_down wakes a blocked send", "[connection]") {
    auto pair = stream_pair(GENERATE(values<std::string>({"unix", "127.0.0.1", "::1"})));
    const auto payload = Bytes(kTooMuch);
    ErrorCode sent;
    WatchedThread sender([&] { sent = pair.left.send(pattern(288), payload); });
    pollfd room{pair.left.fd(), POLLOUT, 0};
    REQUIRE(eventually([&] { return ::poll(&room, 1, 0) == 0; }));
    sender.await_sleep();
    pair.left.shut_down();
    sender.join();
    CHECK(sent.value() == EPIPE);
}

TEST_CASE("half_close ends one direction only", "[connection]") {
    auto pair = stream_pair(GENERATE(values<std::string>({"unix", "127.0.0.1"})));
    REQUIRE_FALSE(pair.left.send(pattern(5)));
    pair.left.half_close();
    pair.left.half_close();
    Bytes target(5);
    CHECK(pair.right.receive_full(target).value() == 5);
    CHECK(pair.right.receive_full(target).value() == 0);
    REQUIRE_FALSE(pair.right.send(pattern(5)));
    CHECK(pair.left.receive_full(target).value() == 5);
}

TEST_CASE("signals that land in a thread disturb neither a send nor a receive", "[connection]") {
    auto pair = unix_pair(SOCK_STREAM);
    const auto payload = pattern(4U << 20U);
    const auto rest = pattern(1000, 2);
    Bytes received(payload.size() + rest.size());
    ErrorCode sent = Errc::internal_error;
    Result<std::size_t> count = ErrorCode(Errc::internal_error);

    // Nobody receives yet: the first signal cuts the write short, the second finds nothing written.
    WatchedThread sender([&] { sent = pair.left.send(payload); });
    for (int times = 0; times < 3; ++times) {
        sender.await_sleep();
        sender.disturb();
    }
    // Likewise when all that was sent has been received.
    WatchedThread receiver([&] { count = pair.right.receive_full(received); });
    sender.join();
    for (int times = 0; times < 3; ++times) {
        receiver.await_sleep();
        receiver.disturb();
    }
    REQUIRE_FALSE(pair.left.send(rest));
    receiver.join();

    CHECK_FALSE(sent);
    CHECK(count.value() == received.size());
    CHECK(std::ranges::equal(std::span(received).first(payload.size()), payload));
    CHECK(std::ranges::equal(std::span(received).last(rest.size()), rest));
}

TEST_CASE("a deadline ends a control-plane wait, also on a socket that is ready", "[connection]") {
    auto pair = unix_pair(SOCK_STREAM);
    Bytes target(100);
    const auto begin = Clock::now();
    CHECK(pair.right.receive_some(target, begin + 30ms, nullptr).error() == Errc::phase_timeout);
    CHECK(Clock::now() >= begin + 30ms);

    std::size_t left = 0;
    const Bytes bytes(kTooMuch);
    CHECK(pair.left.send(bytes, after(30ms), nullptr, &left) == Errc::phase_timeout);
    CHECK(left > 0);
    CHECK(left < bytes.size());

    CHECK(pair.right.receive_some(target, Clock::now() - 1ms, nullptr).error() ==
          Errc::phase_timeout);
    CHECK(pair.right.receive_some(target, soon(), nullptr).value() == target.size());
}

TEST_CASE("an interrupt ends a control-plane wait, also on a socket that is ready",
          "[connection]") {
    auto pair = unix_pair(SOCK_STREAM);
    Bytes target(100);
    Interrupt interrupt;
    Result<std::size_t> received = std::size_t{0};
    WatchedThread receiver(
        [&] { received = pair.right.receive_some(target, kNoDeadline, &interrupt); });
    receiver.await_sleep();
    ErrorCode sent;
    std::size_t left = 0;
    const Bytes bytes(kTooMuch);
    auto other = unix_pair(SOCK_STREAM);
    WatchedThread sender([&] { sent = other.left.send(bytes, kNoDeadline, &interrupt, &left); });
    pollfd room{other.left.fd(), POLLOUT, 0};
    REQUIRE(eventually([&] { return ::poll(&room, 1, 0) == 0; }));
    sender.await_sleep();

    interrupt.raise();
    receiver.join();
    sender.join();
    CHECK(received.error() == Errc::cancelled);
    CHECK(sent == Errc::cancelled);
    CHECK(left > 0);
    CHECK(left < bytes.size());

    REQUIRE_FALSE(pair.left.send(pattern(1)));
    CHECK(pair.right.receive_some(target, soon(), &interrupt).error() == Errc::cancelled);
    CHECK(pair.left.send(pattern(1), soon(), &interrupt) == Errc::cancelled);
    interrupt.lower();
    interrupt.lower();
    CHECK_FALSE(interrupt.raised());
    CHECK_FALSE(pair.left.send(pattern(1), soon(), &interrupt));
    interrupt.raise();
    CHECK(pair.left.send(pattern(1), soon(), &interrupt) == Errc::cancelled);
}

TEST_CASE("a moved connection keeps its socket; the one it replaced is closed", "[connection]") {
    auto first = unix_pair(SOCK_STREAM);
    auto second = unix_pair(SOCK_STREAM);
    Bytes target(1);
    first.left = std::move(second.left);
    CHECK(first.right.receive_full(target).value() == 0);
    REQUIRE_FALSE(first.left.send(pattern(1)));
    CHECK(second.right.receive_full(target).value() == 1);
    CHECK(first.left.peer() == "left");
    const Connection raw(first.left.release(), "raw");
    CHECK_FALSE(first.left.is_open());
    CHECK(raw.is_open());
}

TEST_CASE("a connection made of a non-blocking socket blocks", "[connection]") {
    auto pair = unix_pair(SOCK_STREAM | SOCK_NONBLOCK);
    CHECK((::fcntl(pair.left.fd(), F_GETFL) & O_NONBLOCK) == 0);
}

}  // namespace
}  // namespace multifd
