#include "channels/transport/connection.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <utility>

#include "channels/transport/readiness.hpp"
#include "channels/transport/system_error.hpp"
#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

// 1 MiB of which every other page is sent leaves in one write; IOV_MAX is 1024.
constexpr std::size_t kPartsPerWrite = 256;

iovec vector_of(std::span<const std::byte> bytes) {
    // iovec is not const-correct; sendmsg() only reads.
    return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

/// Sends all of `parts`, none of which is empty.
ErrorCode send_parts(int fd, std::span<iovec> parts) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    while (message.msg_iovlen > 0) {
        const auto sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return last_system_error();
        auto left = static_cast<std::size_t>(sent);
        while (message.msg_iovlen > 0 && left >= message.msg_iov->iov_len) {
            left -= message.msg_iov->iov_len;
            ++message.msg_iov;
            --message.msg_iovlen;
        }
        if (message.msg_iovlen == 0) break;
        message.msg_iov->iov_base = static_cast<std::byte*>(message.msg_iov->iov_base) + left;
        message.msg_iov->iov_len -= left;
    }
    return {};
}

}  // namespace

Connection::Connection(int fd, std::string peer) : fd_(fd), peer_(std::move(peer)) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK) != 0) ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

ErrorCode Connection::send(std::span<const std::byte> header, std::span<const std::byte> payload) {
    MULTIFD_ASSERT(!header.empty());
    std::array<iovec, 2> parts{vector_of(header), vector_of(payload)};
    return send_parts(fd_.get(), std::span(parts).first(payload.empty() ? 1 : 2));
}

ErrorCode Connection::send(std::span<const std::byte> header, std::span<const std::byte> payload,
                           std::span<const std::span<const std::byte>> runs) {
    MULTIFD_ASSERT(!header.empty());
    std::array<iovec, kPartsPerWrite> parts{vector_of(header)};
    std::size_t count = 1;
    if (!payload.empty()) parts[count++] = vector_of(payload);
    do {
        const std::size_t taken = std::min(runs.size(), parts.size() - count);
        for (const auto run : runs.first(taken)) parts[count++] = vector_of(run);
        if (const auto error = send_parts(fd_.get(), std::span(parts).first(count))) return error;
        runs = runs.subspan(taken);
        count = 0;
    } while (!runs.empty());
    return {};
}

void Connection::limit_unsent(int bytes) noexcept {
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

Result<std::size_t> Connection::receive_full(std::span<std::byte> target) {
    MULTIFD_ASSERT(!target.empty());
    std::size_t filled = 0;
    while (filled < target.size()) {
        const auto rest = target.subspan(filled);
        const auto received = ::recv(fd_.get(), rest.data(), rest.size(), MSG_WAITALL);
        if (received < 0 && errno == EINTR) continue;
        if (received < 0) return last_system_error();
        if (received == 0 && filled == 0) return std::size_t{0};
        if (received == 0) return ErrorCode(Errc::channel_closed_early);
        filled += static_cast<std::size_t>(received);
    }
    return filled;
}

ErrorCode Connection::send(std::span<const std::byte> bytes, Deadline deadline,
                           const Interrupt* interrupt, std::size_t* sent) {
    std::size_t done = 0;
    ErrorCode error;
    while (done < bytes.size()) {
        error = wait_until_ready(fd_.get(), POLLOUT, deadline, interrupt);
        if (error) break;
        const auto rest = bytes.subspan(done);
        const auto count = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (count < 0) {
            error = last_system_error();
            break;
        }
        done += static_cast<std::size_t>(count);
    }
    if (sent != nullptr) *sent = done;
    return error;
}

Result<std::size_t> Connection::receive_some(std::span<std::byte> target, Deadline deadline,
                                             const Interrupt* interrupt) {
    MULTIFD_ASSERT(!target.empty());
    while (true) {
        const ErrorCode error = wait_until_ready(fd_.get(), POLLIN, deadline, interrupt);
        if (error) return error;
        const auto count = ::recv(fd_.get(), target.data(), target.size(), MSG_DONTWAIT);
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno != EINTR && errno != EAGAIN) return last_system_error();
    }
}

void Connection::half_close() noexcept {
    if (is_open()) ::shutdown(fd_.get(), SHUT_WR);
}

void Connection::shut_down() noexcept {
    if (is_open()) ::shutdown(fd_.get(), SHUT_RDWR);
}

}  // namespace multifd
