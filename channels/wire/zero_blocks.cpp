#include "channels/wire/zero_blocks.hpp"

#include <algorithm>

#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

constexpr std::byte bit_of(std::size_t index) noexcept {
    return std::byte{0x80} >> (index % 8);
}

}  // namespace

void mark_block_sent(std::span<std::byte> map, std::size_t index) noexcept {
    map[index / 8] |= bit_of(index);
}

BlockRuns::BlockRuns(std::span<const std::byte> map, std::size_t state_bytes)
    : map_(map), state_bytes_(state_bytes), blocks_(zero_block_count(state_bytes)) {
    MULTIFD_ASSERT(map.size() == zero_block_map_bytes(state_bytes));
}

bool BlockRuns::sent(std::size_t index) const noexcept {
    return (map_[index / 8] & bit_of(index)) != std::byte{0};
}

std::optional<BlockRun> BlockRuns::next() noexcept {
    while (index_ < blocks_ && !sent(index_)) ++index_;
    if (index_ == blocks_) return std::nullopt;
    const std::size_t first = index_;
    while (index_ < blocks_ && sent(index_)) ++index_;
    const std::size_t offset = first * kZeroBlockBytes;
    return BlockRun{offset, std::min(index_ * kZeroBlockBytes, state_bytes_) - offset};
}

Result<> check_zero_block_map(std::span<const std::byte> map, std::size_t state_bytes,
                              std::size_t sent_bytes) {
    const std::size_t in_last = zero_block_count(state_bytes) % 8;
    if (in_last != 0 && (map.back() << in_last) != std::byte{0}) {
        return ErrorCode(Errc::zero_blocks_malformed);
    }
    BlockRuns runs(map, state_bytes);
    std::size_t bytes = 0;
    while (const auto run = runs.next()) bytes += run->size;
    if (bytes != sent_bytes) return ErrorCode(Errc::zero_blocks_malformed);
    return {};
}

}  // namespace multifd
