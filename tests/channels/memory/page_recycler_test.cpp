#include "channels/memory/page_recycler.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <set>
#include <vector>

namespace multifd {
namespace {

TEST_CASE("freed blocks are given out again before the heap is asked", "[page_recycler]") {
    PageRecycler recycler;
    std::set<void*> blocks;
    for (int i = 0; i < 4; ++i) blocks.insert(recycler.allocate(256));
    REQUIRE(blocks.size() == 4);
    for (void* const block : blocks) recycler.deallocate(block, 256);
    std::vector<void*> again;
    for (int i = 0; i < 4; ++i) again.push_back(recycler.allocate(256));
    CHECK(std::set<void*>(again.begin(), again.end()) == blocks);
    for (void* const block : again) recycler.deallocate(block, 256);
}

TEST_CASE("a block of another size is not mixed up with the kept ones", "[page_recycler]") {
    PageRecycler recycler;
    void* const small = recycler.allocate(64);
    recycler.deallocate(small, 64);
    void* const large = recycler.allocate(4096);
    CHECK(large != small);
    recycler.deallocate(large, 4096);
    void* const again = recycler.allocate(64);
    CHECK(again == small);
    recycler.deallocate(again, 64);
}

TEST_CASE("blocks are aligned as the queue's pages need", "[page_recycler]") {
    PageRecycler recycler;
    const RecyclingAllocator<std::uint64_t> allocator(recycler);
    auto words = allocator;
    std::uint64_t* const block = words.allocate(3);
    CHECK(reinterpret_cast<std::uintptr_t>(block) % 128 == 0);
    words.deallocate(block, 3);
    CHECK(RecyclingAllocator<int>(allocator) == allocator);
}

}  // namespace
}  // namespace multifd
