// DeviceTraffic: what one device's packets cost on the channels.
#pragma once

#include <atomic>
#include <cstdint>

namespace multifd {

/// Every channel adds to it, once per packet. Nothing is published by it but itself.
struct alignas(64) DeviceTraffic {
    std::atomic<std::uint64_t> wire_bytes = 0;       ///< Headers included.
    std::atomic<std::uint64_t> encoded_packets = 0;  ///< Those that did not travel as they were.

    void add(std::uint64_t bytes, bool encoded) noexcept {
        wire_bytes.fetch_add(bytes, std::memory_order_relaxed);
        if (encoded) encoded_packets.fetch_add(1, std::memory_order_relaxed);
    }
};

}  // namespace multifd
