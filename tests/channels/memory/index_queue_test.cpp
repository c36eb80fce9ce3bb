// Compiled twice, as bounded_queue_test.cpp.
#include "channels/memory/index_queue.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <thread>
#include <vector>

#include "tests/channels/memory/time_limit.hpp"

namespace multifd {
namespace {

TEST_CASE("an index queue is first in, first out, and empty at first", "[index_queue]") {
    IndexQueue queue(1000);
    std::uint32_t index = 0;
    CHECK_FALSE(queue.try_pop(index));
    for (int round = 0; round < 3; ++round) {
        for (std::uint32_t i = 0; i < 1000; ++i) queue.push(i);
        for (std::uint32_t i = 0; i < 500; ++i) REQUIRE(queue.pop() == i);
        for (std::uint32_t i = 500; i < 1000; ++i) REQUIRE((queue.try_pop(index) && index == i));
        CHECK_FALSE(queue.try_pop(index));
    }
}

TEST_CASE("each index reaches one popper, in the order of the pushes", "[index_queue]") {
    const TimeLimit limit("poppers of an index queue");
    constexpr std::uint32_t kCount = 30'000;
    constexpr std::uint32_t kEnd = kCount;
    IndexQueue queue(kCount + 1);
    std::vector<std::vector<std::uint32_t>> popped(4);
    std::vector<std::thread> threads;
    for (auto& own : popped) {
        threads.emplace_back([&queue, &own] {
            for (std::uint32_t i = queue.pop(); i != kEnd; i = queue.pop()) own.push_back(i);
            queue.push(kEnd);
        });
    }
    for (std::uint32_t i = 0; i <= kCount; ++i) queue.push(i);
    for (std::thread& thread : threads) thread.join();
    std::vector<int> seen(kCount, 0);
    for (const auto& own : popped) {
        CHECK(std::is_sorted(own.begin(), own.end()));
        for (const std::uint32_t i : own) ++seen[i];
    }
    CHECK(seen == std::vector<int>(kCount, 1));
}

}  // namespace
}  // namespace multifd
