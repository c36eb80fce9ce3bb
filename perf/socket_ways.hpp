// The ways in which socket_trials moves packets between a socket and memory. All move the same
// bytes: headers of kHeaderBytes, each before one packet of memory, round and round.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace socket_trials {

inline constexpr std::size_t kHeaderBytes = 292;  ///< As a device-state packet's.

struct Load {
    std::span<std::byte> memory;  ///< A multiple of `packet_bytes`.
    std::size_t packet_bytes = 0;
    std::size_t packets = 0;
    std::size_t batch = 1;  ///< Packets in one call, where a way has that; divides `packets`.
};

/// What a way has to say of itself.
struct Remarks {
    std::uint64_t zerocopy_calls = 0;
    std::uint64_t zerocopy_copied = 0;  ///< Of them those for which the kernel copied all the same.
};

enum class SendWay {
    blocking,  ///< sendmsg() of `batch` headers and payloads.
    zerocopy,  ///< The same with MSG_ZEROCOPY; its notices are taken when they are there.
    ring,      ///< io_uring: `batch` linked sendmsg at a time.
    handlers,  ///< Boost.Asio: async_write of header and payload, the next one from its handler.
};
enum class ReceiveWay {
    blocking,  ///< recv() of the header, then of the payload.
    together,  ///< recvmsg() of both: only for who knows the packet's size.
    ring,      ///< io_uring: `batch` linked recvmsg at a time, of header and payload.
    handlers,  ///< Boost.Asio: async_read of the header, then of the payload.
};

/// All packets of the load through a connected, blocking stream socket, which stays open. Each
/// throws std::system_error when the system refuses, and std::runtime_error at a short end.
Remarks send_packets(SendWay way, int socket, const Load& load);
void receive_packets(ReceiveWay way, int socket, const Load& load);

}  // namespace socket_trials
