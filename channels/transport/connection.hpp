// Connection: one connected stream socket.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "channels/transport/deadline.hpp"
#include "channels/transport/descriptor.hpp"
#include "channels/transport/interrupt.hpp"
#include "channels/wire/error.hpp"

namespace multifd {

/// Whether a send is the last for now. Before more, the kernel keeps a short last segment back.
enum class Then { nothing, more };

/// Sends and receives whole spans on a stream socket, TCP or UNIX.
/// Ownership: owns the descriptor and closes it. Move-only; a moved-from connection is closed.
/// Threads:   one thread may send while another receives. shut_down() and half_close() may be
///            called from any thread while neither a move, release() nor the destructor runs.
/// Errors:    codes only, never a signal. A reset or closed peer keeps its system error
///            (ECONNRESET, EPIPE).
class Connection {
  public:
    Connection() noexcept = default;
    /// Makes the socket blocking. `peer` is how messages name the other end.
    explicit Connection(int fd, std::string peer = {});

    // Data plane: blocks as long as the peer lets it; shut_down() from another thread ends it.

    /// Header and payload leave in one gathered write where the socket has room for them; what does
    /// not fit follows. Returns when all has been handed to the kernel. `header` is not empty.
    ErrorCode send(std::span<const std::byte> header, std::span<const std::byte> payload = {},
                   Then then = Then::nothing);
    /// The same with a part of the payload in each of `runs`, none of them empty: as many as one
    /// write takes leave with what stands before them.
    ErrorCode send(std::span<const std::byte> header, std::span<const std::byte> payload,
                   std::span<const std::span<const std::byte>> runs);
    /// From here on send() lets at most so many bytes stand unsent in the kernel of a TCP
    /// connection. A fast connection loses speed by it. No other socket has that.
    void limit_unsent(int bytes) noexcept;
    /// Fills `target` (not empty) and returns its size, or 0 when the peer closed before its first
    /// byte. Sleeps until many bytes are there, or all that are wanted: it is not woken for each
    /// segment.
    /// Errors:    channel_closed_early when the peer closed inside it.
    Result<std::size_t> receive_full(std::span<std::byte> target);

    // Control plane: bounded by a deadline and an interrupt, which may be absent (kNoDeadline,
    // nullptr). Errors: also phase_timeout and cancelled, even when the socket is ready.

    /// Sends all of `bytes`. When it fails `*sent`, if given, says how many bytes left.
    ErrorCode send(std::span<const std::byte> bytes, Deadline deadline, const Interrupt* interrupt,
                   std::size_t* sent = nullptr);
    /// At least one byte; 0 is the end of the stream. `target` is not empty.
    Result<std::size_t> receive_some(std::span<std::byte> target, Deadline deadline,
                                     const Interrupt* interrupt);

    /// Ends our direction: the peer reads to the end of what was sent. Idempotent.
    void half_close() noexcept;
    /// Ends both directions: blocked calls return, with 0 or EPIPE. Idempotent.
    void shut_down() noexcept;

    [[nodiscard]] bool is_open() const noexcept { return fd_.is_open(); }
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] const std::string& peer() const noexcept { return peer_; }
    /// The descriptor, no longer owned; the connection is then closed.
    [[nodiscard]] int release() noexcept { return fd_.release(); }

  private:
    void sleep_until_readable(std::size_t wanted) noexcept;
    /// A thread that sleeps in poll() is woken when so many bytes can be read.
    void wake_at(std::size_t bytes) noexcept;

    Descriptor fd_;
    std::string peer_;
    std::size_t wakes_at_ = 1;  ///< What the kernel was told last; of the receiving thread.
};

}  // namespace multifd
