#include "tests/support/connection_pair.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <thread>

namespace multifd {

bool await(const std::function<bool()>& condition) {
    const auto deadline = patience();
    while (!condition()) {
        if (Clock::now() > deadline) return false;
        std::this_thread::yield();
    }
    return true;
}

ConnectionPair::ConnectionPair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        throw std::system_error(errno, std::system_category(), "socketpair");
    }
    ours = Connection(ends[0], "theirs");
    theirs = Connection(ends[1], "ours");
}

void shrink_send_buffer(const Connection& connection) {
    const int bytes = 4096;
    (void)::setsockopt(connection.fd(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

std::vector<std::byte> read_exactly(Connection& connection, std::size_t size) {
    std::vector<std::byte> bytes(size);
    std::size_t filled = 0;
    const auto deadline = patience();
    while (filled < size) {
        const auto count =
            connection.receive_some(std::span(bytes).subspan(filled), deadline, nullptr);
        if (!count || *count == 0) break;
        filled += *count;
    }
    bytes.resize(filled);
    return bytes;
}

std::vector<std::byte> read_all(Connection& connection) {
    constexpr std::size_t kPiece = 65536;
    std::vector<std::byte> bytes;
    for (;;) {
        const auto piece = read_exactly(connection, kPiece);
        bytes.insert(bytes.end(), piece.begin(), piece.end());
        if (piece.size() < kPiece) return bytes;
    }
}

std::vector<std::byte> read_available(const Connection& connection) {
    std::vector<std::byte> bytes(65536);
    const auto count = ::recv(connection.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return bytes;
}

bool reads_end(Connection& connection) {
    std::array<std::byte, 1> byte{};
    const auto count = connection.receive_some(byte, patience(), nullptr);
    return count ? *count == 0 : count.error().category() == boost::system::system_category();
}

bool write_all(Connection& connection, std::span<const std::byte> bytes) {
    return !connection.send(bytes, patience(), nullptr);
}

bool write_in_pieces(Connection& connection, std::span<const std::byte> bytes, std::size_t piece) {
    while (!bytes.empty()) {
        const auto next = bytes.first(std::min(piece, bytes.size()));
        if (!write_all(connection, next)) return false;
        bytes = bytes.subspan(next.size());
        const bool read = await([&] {
            int unread = 0;
            return ::ioctl(connection.fd(), SIOCOUTQ, &unread) == 0 && unread == 0;
        });
        if (!read) return false;
    }
    return true;
}

}  // namespace multifd
