#include "engine/devices/dma_bitmap.hpp"

#include <catch2/catch.hpp>

namespace multifd {

TEST_CASE("a bitmap has a bit for every page that is at least partly in the range", "[devices]") {
    CHECK(dma_pages({0, 1}, 4096) == 1);
    CHECK(dma_pages({0, 4096}, 4096) == 1);
    CHECK(dma_pages({0, 4097}, 4096) == 2);
    CHECK(dma_pages({0, UINT64_MAX}, 1) == UINT64_MAX);
    CHECK(dma_bitmap_words(1) == 1);
    CHECK(dma_bitmap_words(64) == 1);
    CHECK(dma_bitmap_words(65) == 2);
    CHECK(dma_bitmap_words(UINT64_MAX) == std::uint64_t{1} << 58U);
}

}  // namespace multifd
