// TcpSample: what the kernel knows of one TCP connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace multifd {

/// Counts and times since the connection was made; what an older kernel does not tell is 0.
struct TcpSample {
    std::string congestion_control;
    std::uint64_t rtt_us = 0;  ///< Smoothed round trip time.
    std::uint64_t rtt_variation_us = 0;
    std::uint64_t retransmits = 0;        ///< Segments sent again.
    std::uint64_t congestion_window = 0;  ///< In segments of `segment_bytes`.
    std::uint64_t segment_bytes = 0;
    std::uint64_t delivery_rate = 0;           ///< Bytes per second that lately reached the peer.
    std::uint64_t busy_us = 0;                 ///< With bytes on their way.
    std::uint64_t receiver_limited_us = 0;     ///< Of that: the peer's receive window was full.
    std::uint64_t send_buffer_limited_us = 0;  ///< Of that: our send buffer was too small.
    std::uint64_t unanswered = 0;              ///< Retransmissions and probes in a row, now.
};

/// Nothing for a socket that is not TCP, or no socket. Takes the socket's lock for a moment, so it
/// is no call for every packet.
/// Threads:   any, while `fd` stays open.
[[nodiscard]] std::optional<TcpSample> sample_tcp(int fd);

}  // namespace multifd
