#include "channels/transport/tcp_sample.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

namespace multifd {

std::optional<TcpSample> sample_tcp(int fd) {
    // Zeroed: an older kernel fills only the beginning. (The C library's own structure ends early.)
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
    constexpr std::size_t kNameBytes = 16;
    std::array<char, kNameBytes + 1> name{};
    socklen_t name_size = kNameBytes;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), &name_size) != 0) name[0] = '\0';
    return TcpSample{.congestion_control = name.data(),
                     .rtt_us = info.tcpi_rtt,
                     .rtt_variation_us = info.tcpi_rttvar,
                     .retransmits = info.tcpi_total_retrans,
                     .congestion_window = info.tcpi_snd_cwnd,
                     .segment_bytes = info.tcpi_snd_mss,
                     .delivery_rate = info.tcpi_delivery_rate,
                     .busy_us = info.tcpi_busy_time,
                     .receiver_limited_us = info.tcpi_rwnd_limited,
                     .send_buffer_limited_us = info.tcpi_sndbuf_limited,
                     .unanswered = std::uint64_t{info.tcpi_retransmits} + info.tcpi_probes};
}

}  // namespace multifd
