#include "tests/support/loopback.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace multifd {
namespace {

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

}  // namespace

Socket::~Socket() {
    if (fd_ >= 0) close(fd_);
}

Socket::Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

bool Socket::send(std::span<const std::byte> bytes) const {
    while (!bytes.empty()) {
        const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return true;
}

std::size_t Socket::receive(std::span<std::byte> target) const {
    const auto size = recv(fd_, target.data(), target.size(), 0);
    return size <= 0 ? 0 : static_cast<std::size_t>(size);
}

bool Socket::receive_full(std::span<std::byte> target) const {
    while (!target.empty()) {
        const std::size_t size = receive(target);
        if (size == 0) return false;
        target = target.subspan(size);
    }
    return true;
}

void Socket::shut_down() const noexcept {
    shutdown(fd_, SHUT_RDWR);
}

Socket listen_on_loopback() {
    Socket listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(0);
    const auto* plain = reinterpret_cast<const sockaddr*>(&address);
    if (bind(listener.fd(), plain, sizeof(address)) != 0 || listen(listener.fd(), 128) != 0) {
        throw std::system_error(errno, std::generic_category(), "cannot listen");
    }
    return listener;
}

std::string address_of(const Socket& listener) {
    sockaddr_in address{};
    socklen_t size = sizeof(address);
    if (getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        throw std::system_error(errno, std::generic_category(), "getsockname");
    }
    return "tcp:127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

Socket connect_on_loopback(const std::string& address) {
    const auto port = std::stoul(address.substr(address.rfind(':') + 1));
    const sockaddr_in target = loopback(static_cast<std::uint16_t>(port));
    Socket connected(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int yes = 1;
    setsockopt(connected.fd(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    const auto* plain = reinterpret_cast<const sockaddr*>(&target);
    return connect(connected.fd(), plain, sizeof(target)) == 0 ? std::move(connected) : Socket(-1);
}

}  // namespace multifd
