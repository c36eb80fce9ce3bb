// Memory on a NUMA node: the kernel is asked what it was told.
#include "channels/memory/memory_policy.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include "channels/memory/buffer_arena.hpp"
#include "channels/memory/buffer_pool.hpp"

namespace multifd {

TEST_CASE("a thread prefers a node for as long as it says so", "[memory]") {
    CHECK_FALSE(preferred_node().has_value());
    {
        const PreferredNode node(0);
        if (!node.active()) {
            WARN("SKIPPED: this kernel has no memory policies");
            return;
        }
        CHECK(preferred_node() == 0U);
        std::thread([] { CHECK(prefer_node(0)); }).join();
    }
    CHECK_FALSE(preferred_node().has_value());
    const PreferredNode none(std::nullopt);
    CHECK_FALSE(none.active());
    CHECK_FALSE(preferred_node().has_value());
}

TEST_CASE("a node that is none changes nothing", "[memory]") {
    const unsigned wrong = GENERATE(1023U, 1024U, 4'000'000'000U);
    const PreferredNode node(wrong);
    CHECK_FALSE(node.active());
    CHECK_FALSE(preferred_node().has_value());
}

TEST_CASE("an arena keeps the node of the thread that made it, whoever touches it", "[memory]") {
    std::optional<BufferArena> arena;
    {
        const PreferredNode node(0);
        if (!node.active()) {
            WARN("SKIPPED: this kernel has no memory policies");
            return;
        }
        arena.emplace(4096, 1000);
    }
    for (const std::size_t index : {0U, 500U, 999U}) {
        CHECK(preferred_node_of(arena->at(index)) == 0U);
        arena->at(index)[0] = std::byte{1};
        CHECK(preferred_node_of(arena->at(index)) == 0U);
    }
    const BufferArena elsewhere(4096, 1000);
    CHECK_FALSE(preferred_node_of(elsewhere.at(0)).has_value());
}

}  // namespace multifd
