// A packet without its blocks of zeros back to its state, as it arrives.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "channels/wire/assert.hpp"
#include "channels/wire/zero_blocks.hpp"

namespace multifd {

/// Fills `place`, which is all of the packet's state and within the limits, from `data_bytes` that
/// hold its map at least (asserted). `receive(span)` fills its span with the next bytes, or says
/// why not: each run goes straight to its place, once the map has been judged.
/// Errors:    zero_blocks_malformed, before anything is written; and what `receive` returns.
template <class Receive>
Result<> restore_zero_blocks(std::size_t data_bytes, std::span<std::byte> place,
                             const Receive& receive) {
    MULTIFD_ASSERT(place.size() <= limits::kPacketDataBytesMax);
    std::array<std::byte, kZeroBlockMapBytesMax> bytes;
    const auto map = std::span(bytes).first(zero_block_map_bytes(place.size()));
    MULTIFD_ASSERT(map.size() <= data_bytes);
    if (const auto received = receive(map); !received) return received.error();
    const auto checked = check_zero_block_map(map, place.size(), data_bytes - map.size());
    if (!checked) return checked.error();
    BlockRuns runs(map, place.size());
    std::size_t done = 0;
    while (const auto run = runs.next()) {
        std::ranges::fill(place.subspan(done, run->offset - done), std::byte{0});
        const auto received = receive(place.subspan(run->offset, run->size));
        if (!received) return received.error();
        done = run->offset + run->size;
    }
    std::ranges::fill(place.subspan(done), std::byte{0});
    return {};
}

}  // namespace multifd
