#include "channels/codec/zero_block_finder.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "channels/codec/zero_tail.hpp"
#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

/// Between the words of the first look.
constexpr std::size_t kLookBytes = 8 * kZeroBlockBytes;

bool begins_with_zeros(std::span<const std::byte> block) noexcept {
    std::uint64_t first = 0;
    std::memcpy(&first, block.data(), std::min(sizeof first, block.size()));
    return first == 0;
}

bool has_zeros(std::span<const std::byte> state) noexcept {
    for (std::size_t at = 0; at < state.size(); at += kLookBytes) {
        if (begins_with_zeros(state.subspan(at))) return true;
    }
    return false;
}

bool is_zero(std::span<const std::byte> block) noexcept {
    return begins_with_zeros(block) && without_zero_tail(block) == 0;
}

}  // namespace

ZeroBlockFinder::ZeroBlockFinder(std::size_t packet_bytes_max)
    : packet_bytes_max_(std::min(packet_bytes_max, limits::kPacketDataBytesMax)) {
    // At most every other block begins a run.
    runs_.reserve((zero_block_count(packet_bytes_max_) + 1) / 2);
}

std::optional<SentBlocks> ZeroBlockFinder::find(std::span<const std::byte> state,
                                                std::size_t zeros_from, Remember remember) {
    MULTIFD_ASSERT(state.size() <= packet_bytes_max_ && zeros_from <= state.size());
    if (!found_before_ && !has_zeros(state.first(zeros_from))) return std::nullopt;
    const auto map = std::span(map_).first(zero_block_map_bytes(state.size()));
    std::ranges::fill(map, std::byte{0});
    runs_.clear();
    SentBlocks sent{.map = map};
    bool adjacent = false;
    bool found = false;
    for (std::size_t at = 0; at < zeros_from; at += kZeroBlockBytes) {
        const auto block = state.subspan(at, std::min(kZeroBlockBytes, state.size() - at));
        const bool goes = !is_zero(block);
        if (goes) {
            mark_block_sent(map, at / kZeroBlockBytes);
            if (!adjacent) runs_.push_back(block.first(0));
            runs_.back() = {runs_.back().data(), runs_.back().size() + block.size()};
            sent.run_bytes += block.size();
        }
        found |= !goes;
        adjacent = goes;
    }
    if (remember == Remember::yes) found_before_ = found;
    if (!found) return std::nullopt;
    sent.runs = runs_;
    return sent;
}

}  // namespace multifd
