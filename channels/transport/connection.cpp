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

// Waking a thread costs as much as receiving some ten KiB, and a segment of the loopback has 64.
// With more than this nothing was gained any more (perf/README.md).
constexpr std::size_t kWakeBytesMax = 256 * 1024;
// What is shorter comes in one segment, or hardly more.
constexpr std::size_t kWakeBytesMin = 4 * 1024;

/// Sends all of `parts`, none of which is empty.
ErrorCode send_parts(int fd, std::span<iovec> parts, Then then) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const int flags = MSG_NOSIGNAL | (then == Then::more ? MSG_MORE : 0);
    while (message.msg_iovlen > 0) {
        const auto sent = ::sendmsg(fd, &message, flags);
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

ErrorCode Connection::send(std::span<const std::byte> header, std::span<const std::byte> payload,
                           Then then) {
    MULTIFD_ASSERT(!header.empty());
    std::array<iovec, 2> parts{vector_of(header), vector_of(payload)};
    return send_parts(fd_.get(), std::span(parts).first(payload.empty() ? 1 : 2), then);
}

ErrorCode Connection::send(std::span<const std::byte> header, std::span<const std::byte> payload,
                           std::span<const std::span<const std::byte>> runs) {
    if (runs.empty()) return send(header, payload);
    MULTIFD_ASSERT(!header.empty());
    std::array<iovec, kPartsPerWrite> parts{vector_of(header)};
    std::size_t count = 1;
    if (!payload.empty()) parts[count++] = vector_of(payload);
    do {
        const std::size_t taken = std::min(runs.size(), parts.size() - count);
        for (const auto run : runs.first(taken)) parts[count++] = vector_of(run);
        runs = runs.subspan(taken);
        const auto then = runs.empty() ? Then::nothing : Then::more;
        const auto error = send_parts(fd_.get(), std::span(parts).first(count), then);
        if (error) return error;
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
        const auto received = ::recv(fd_.get(), rest.data(), rest.size(), MSG_DONTWAIT);
        const bool nothing_there = received < 0 && (errno == EAGAIN || errno == EINTR);
        if (received < 0 && !nothing_there) return last_system_error();
        if (received == 0 && filled == 0) return std::size_t{0};
        if (received == 0) return ErrorCode(Errc::channel_closed_early);
        if (received > 0) filled += static_cast<std::size_t>(received);
        if (filled < target.size()) sleep_until_readable(target.size() - filled);
    }
    return filled;
}

// In poll(), which takes nothing. A recv() that sleeps has taken what was there, and the kernel
// counts for the wake-up only what it has not taken: it would sleep on with its last byte there.
// Never more than is still wanted, since nothing may come behind it.
void Connection::sleep_until_readable(std::size_t wanted) noexcept {
    wake_at(wanted);
    // Whatever ends it, the next read says what it was.
    (void)wait_until_ready(fd_.get(), POLLIN, kNoDeadline, nullptr);
}

// Where the kernel does not take it, each segment wakes.
void Connection::wake_at(std::size_t bytes) noexcept {
    const auto wanted = bytes < kWakeBytesMin ? 1 : std::min(bytes, kWakeBytesMax);
    if (wanted == wakes_at_) return;
    const auto value = static_cast<int>(wanted);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
    wakes_at_ = wanted;
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
    wake_at(1);  // poll() waits for as much as a read does.
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
