// Newcomer: a connection that has not yet said what it is.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "channels/transport/deadline.hpp"
#include "channels/wire/channel_init.hpp"
#include "channels/wire/error.hpp"

namespace multifd {

/// Learns what a connection is from its first bytes, without ever waiting. A main channel's bytes
/// are only looked at; a channel's 64 are taken.
/// Threads:   not thread-safe.
class Newcomer {
  public:
    enum class Progress {
        known,         ///< kind() and, for a channel or control connection, init() are there.
        needs_bytes,   ///< Come again when the socket is readable.
        needs_prefix,  ///< Some bytes are there, but fewer than four: readiness says nothing.
    };

    /// Reads from `fd`, which is non-blocking.
    /// Errors:    those of classify() and decode_channel_init(), channel_closed_early, or the
    ///            socket's.
    Result<Progress> read(int fd);

    [[nodiscard]] ConnectionKind kind() const { return kind_.value(); }
    [[nodiscard]] const ChannelInit& init() const noexcept { return init_; }

  private:
    Result<Progress> look_at_prefix(int fd);
    Result<Progress> take_init(int fd);

    std::optional<ConnectionKind> kind_;
    std::array<std::byte, kChannelInitBytes> bytes_{};
    std::size_t taken_ = 0;
    ChannelInit init_;
};

}  // namespace multifd
