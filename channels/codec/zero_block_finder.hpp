// ZeroBlockFinder: which blocks of a packet are zero, and so need not travel.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "channels/wire/zero_blocks.hpp"

namespace multifd {

/// A packet without its blocks of zeros.
struct SentBlocks {
    std::span<const std::byte> map{};
    std::span<const std::span<const std::byte>> runs{};  ///< In the state; adjacent blocks are one.
    std::size_t run_bytes = 0;                           ///< Of all runs.
};

/// Whether what is found stands for the packet before, when the next one is looked at.
enum class Remember : bool { no, yes };

/// Looks at one word in each 32 KiB of a packet. Only when one of them is zero, or the packet
/// before had blocks of zeros, does it look at one in each block, and at all of a block while what
/// it sees is zero. So random data pay for one cache line in 512, no stretch longer than 32 KiB is
/// missed, and few of the pages that are strewn over many packets.
/// Limits:    a map and as many runs as a packet can have; nothing is allocated after construction.
/// Threads:   not thread-safe.
/// Errors:    the constructor throws std::bad_alloc.
class ZeroBlockFinder {
  public:
    explicit ZeroBlockFinder(std::size_t packet_bytes_max);

    /// Of a state within the limit (asserted), all zero from `zeros_from` on. Empty when no block
    /// before that was found to be zero. Valid until the next call.
    [[nodiscard]] std::optional<SentBlocks> find(std::span<const std::byte> state,
                                                 std::size_t zeros_from,
                                                 Remember remember = Remember::yes);

  private:
    std::size_t packet_bytes_max_;
    bool found_before_ = false;  ///< The last packet had blocks of zeros.
    std::array<std::byte, kZeroBlockMapBytesMax> map_{};
    std::vector<std::span<const std::byte>> runs_;
};

}  // namespace multifd
