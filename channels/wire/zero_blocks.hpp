// The map of a packet without its blocks of zeros: which blocks of the state its data hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "channels/wire/error.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {

// Data of a packet with the encoding zero_blocks, for `raw_size` bytes of state:
//    0  [n]  map     a bit for each block, the first the highest of the first byte: it is sent.
//                    Bits beyond the last block are 0
//    n  [m]  blocks  those that are sent, in order, whole but for the state's last
/// A page, so that what a guest never touched is found, and what begins anywhere loses little.
inline constexpr std::size_t kZeroBlockBytes = 4096;

[[nodiscard]] constexpr std::size_t zero_block_count(std::size_t state_bytes) noexcept {
    return (state_bytes + kZeroBlockBytes - 1) / kZeroBlockBytes;
}
[[nodiscard]] constexpr std::size_t zero_block_map_bytes(std::size_t state_bytes) noexcept {
    return (zero_block_count(state_bytes) + 7) / 8;
}
inline constexpr std::size_t kZeroBlockMapBytesMax =
    zero_block_map_bytes(limits::kPacketDataBytesMax);

/// Says that block `index` is sent.
void mark_block_sent(std::span<std::byte> map, std::size_t index) noexcept;

/// Adjacent blocks that are sent, as they stand in the state.
struct BlockRun {
    std::size_t offset = 0;
    std::size_t size = 0;

    bool operator==(const BlockRun&) const = default;
};

/// Goes through the runs of a map, in order. The map has zero_block_map_bytes(state_bytes) bytes
/// (asserted), and outlives the runs.
class BlockRuns {
  public:
    BlockRuns(std::span<const std::byte> map, std::size_t state_bytes);
    /// Empty after the last.
    [[nodiscard]] std::optional<BlockRun> next() noexcept;

  private:
    [[nodiscard]] bool sent(std::size_t index) const noexcept;

    std::span<const std::byte> map_;
    std::size_t state_bytes_;
    std::size_t blocks_;
    std::size_t index_ = 0;
};

/// Whether the map is one of so much state, with `sent_bytes` of blocks behind it.
/// Errors:    zero_blocks_malformed: a bit beyond the last block, or another number of bytes.
Result<> check_zero_block_map(std::span<const std::byte> map, std::size_t state_bytes,
                              std::size_t sent_bytes);

}  // namespace multifd
