// SocketRing: io_uring for socket messages, by the kernel's own interface (linux/io_uring.h), so
// that a trial of it needs no library.
#pragma once

#include <linux/io_uring.h>
#include <sys/socket.h>

#include <cstddef>
#include <span>

namespace socket_trials {

/// Moves a batch of messages with one call of the kernel.
/// Threads:   not thread-safe.
/// Errors:    std::system_error when the kernel gives no ring, or a message fails.
class SocketRing {
  public:
    enum class Move { send, receive };

    explicit SocketRing(unsigned entries);
    ~SocketRing();
    SocketRing(const SocketRing&) = delete;
    SocketRing& operator=(const SocketRing&) = delete;

    /// `message` stays until run(); at most `entries` before it. The next one begins after a linked
    /// one has moved all of its bytes.
    void prepare(Move move, int socket, msghdr* message, bool linked);
    /// Waits until all that was prepared is done; returns the bytes that have moved.
    std::size_t run();

  private:
    std::byte* map(std::size_t bytes, std::size_t offset) const;

    int fd_ = -1;
    io_uring_params parameters_{};
    std::span<std::byte> rings_, entries_;  ///< Shared with the kernel.
    unsigned prepared_ = 0;
};

}  // namespace socket_trials
