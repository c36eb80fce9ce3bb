// ServerConnection: a client's connection to a vfio-user server, one request at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "channels/transport/connection.hpp"
#include "channels/transport/deadline.hpp"
#include "channels/transport/interrupt.hpp"
#include "engine/devices/vfio_user/message.hpp"
#include "multifd/device.hpp"

namespace multifd::vfio_user {

/// Sends a request and receives its reply. A wait that is interrupted, or whose time is up, leaves
/// the exchange half done; the next request finishes it first and drops its reply. So nothing is
/// lost but that answer: to drop the connection instead would make a server throw away the device's
/// state.
/// Threads:   one at a time.
/// Errors:    operation_canceled and timed_out leave the connection usable, and so does what the
///            server refuses, with the server's errno, but that its own ECANCELED and ETIMEDOUT are
///            io_error. Everything else closes it: is_open() says so, and later requests fail with
///            not_connected.
class ServerConnection {
  public:
    /// How long a request may take, and what ends its waits; null means nothing does.
    struct Patience {
        Deadline deadline = kNoDeadline;
        const Interrupt* interrupt = nullptr;
    };
    /// Where a reply's payload goes: it is at least as long as `head`, which is filled first, and
    /// at most as both together.
    struct ReplyPlace {
        std::span<std::byte> head{};
        std::span<std::byte> data{};
    };

    explicit ServerConnection(std::string path) : path_(std::move(path)) {}

    /// Connects and negotiates the version.
    CallResult open(const Patience& patience);
    void close() noexcept { connection_ = {}; }
    [[nodiscard]] bool is_open() const noexcept { return connection_.is_open(); }

    /// value is the length of the reply's payload. `payload` and `data` leave in one piece, as
    /// servers that do not wait for the rest of a message need it.
    CallResult request(Command command, ConstBytes payload, ConstBytes data, ReplyPlace place,
                       const Patience& patience);

    /// The largest transfer of data that was negotiated.
    [[nodiscard]] std::size_t transfer_bytes() const noexcept { return transfer_bytes_; }
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    CallResult negotiate(const Patience& patience);
    CallResult send_rest(const Patience& patience);
    CallResult receive_header(const Patience& patience, std::size_t payload_max);
    CallResult receive(std::span<std::byte> target, const Patience& patience, std::size_t* got);
    CallResult drop_reply(const Patience& patience);
    CallResult settle(const Patience& patience);
    CallResult refused(const Patience& patience);
    CallResult stopped(const ErrorCode& error, const char* doing);
    CallResult broken(std::string what);

    const std::string path_;
    Connection connection_;
    std::size_t transfer_bytes_ = 0;
    std::uint16_t last_id_ = 0;

    // The exchange: what is sent, and how much of the reply has come.
    Bytes message_;
    std::size_t sent_ = 0;
    bool awaits_reply_ = false;
    HeaderBytes header_bytes_{};
    std::size_t header_got_ = 0;
    Header header_;
    std::size_t payload_left_ = 0;
};

}  // namespace multifd::vfio_user
