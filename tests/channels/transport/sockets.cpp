#include "tests/channels/transport/sockets.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <random>
#include <utility>

#include "channels/transport/connector.hpp"
#include "channels/transport/listening_socket.hpp"

namespace multifd {

Bytes pattern(std::size_t size, std::uint32_t seed) {
    std::minstd_rand random(seed);
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::byte>(random() >> 8U);
    return bytes;
}

Pair unix_pair(int type) {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return {Connection(ends[0], "left"), Connection(ends[1], "right")};
}

Pair tcp_pair(const std::string& host) {
    Address address;
    address.host = host;
    const ListeningSocket listening(address);
    auto left = connect(listening.local_address(), soon(), nullptr);
    REQUIRE(left.has_value());
    pollfd waiting{listening.fd(), POLLIN, 0};
    REQUIRE(::poll(&waiting, 1, 10'000) == 1);
    auto right = listening.accept();
    REQUIRE(right.has_value());
    return {std::move(*left), Connection(right->socket.release(), right->peer)};
}

void shrink_send_buffer(const Connection& connection) {
    const int least = 1;
    REQUIRE(::setsockopt(connection.fd(), SOL_SOCKET, SO_SNDBUF, &least, sizeof least) == 0);
}

bool eventually(const std::function<bool()>& condition) {
    const Deadline end = soon();
    while (!condition()) {
        if (Clock::now() > end) return false;
        std::this_thread::yield();
    }
    return true;
}

std::chrono::nanoseconds processor_time() {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

struct WatchedThread::Number {
    std::atomic<pid_t> value = 0;  // Publishes that the body is about to begin.
};

WatchedThread::WatchedThread(std::function<void()> body) : number_(std::make_shared<Number>()) {
    thread_ = std::thread([number = number_, run = std::move(body)] {
        number->value = ::gettid();
        run();
    });
}

WatchedThread::~WatchedThread() {
    join();
}

void WatchedThread::await_sleep() {
    REQUIRE(eventually([&] { return number_->value != 0; }));
    const auto path = "/proc/self/task/" + std::to_string(number_->value) + "/stat";
    CHECK(eventually([&] {
        std::string text;
        std::getline(std::ifstream(path), text);
        const auto name_end = text.rfind(')');
        return name_end != std::string::npos && text.substr(name_end, 3) == ") S";
    }));
}

void WatchedThread::disturb() {
    static std::atomic<unsigned> handled = 0;  // Publishes nothing but itself.
    const unsigned before = handled;
    struct sigaction counting {};
    counting.sa_handler = [](int) { ++handled; };  // Without SA_RESTART: the call returns EINTR.
    REQUIRE(::sigaction(SIGUSR1, &counting, nullptr) == 0);
    REQUIRE(::pthread_kill(thread_.native_handle(), SIGUSR1) == 0);
    REQUIRE(eventually([&] { return handled != before; }));
}

void WatchedThread::join() {
    if (thread_.joinable()) thread_.join();
}

}  // namespace multifd
