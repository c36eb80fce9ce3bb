// What the kernel says of the channels' connections, while they live and at their end.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "channels/transport/connection.hpp"
#include "channels/transport/deadline.hpp"
#include "multifd/report.hpp"

namespace multifd {

/// Threads:   all members from any.
class ChannelSamples {
  public:
    /// The connections stay open until finish().
    void watch(std::span<const Connection> channels);
    /// The last look: the connections may be closed from here on. Idempotent.
    void finish();
    /// What was seen of a channel lately, half a second ago at most while it lives; nothing for a
    /// UNIX socket.
    [[nodiscard]] std::optional<TcpReport> of(std::size_t channel);

  private:
    struct Channel {
        int fd = -1;
        std::optional<TcpReport> latest;  ///< With its addresses from the beginning on.
    };
    void look();

    std::mutex mutex_;  ///< Guards what follows.
    std::vector<Channel> channels_;
    Clock::time_point looked_at_;
    bool over_ = true;
};

}  // namespace multifd
