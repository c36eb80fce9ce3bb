// How large a bitmap of a DMA log is, for who gives one and for who fills it.
#pragma once

#include <cstdint>

#include "multifd/device.hpp"

namespace multifd {

/// A last page that is partly in the range counts. Neither `range.size` nor `page_size` is 0.
[[nodiscard]] constexpr std::uint64_t dma_pages(DmaRange range, std::uint64_t page_size) noexcept {
    return (range.size - 1) / page_size + 1;
}

/// The words of a bitmap with a bit for each of `pages`, at least 1.
[[nodiscard]] constexpr std::uint64_t dma_bitmap_words(std::uint64_t pages) noexcept {
    return (pages - 1) / 64 + 1;
}

}  // namespace multifd
