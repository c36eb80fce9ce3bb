#include "channels/memory/buffer_pool.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "tests/channels/memory/time_limit.hpp"

namespace multifd {
namespace {

std::uintptr_t address(std::span<std::byte> bytes) {
    return reinterpret_cast<std::uintptr_t>(bytes.data());
}

TEST_CASE("a pool lends each buffer once, and again when it is back", "[buffer_pool]") {
    BufferPool pool(100, 3);
    std::vector<PooledBuffer> held;
    std::set<std::uintptr_t> places;
    while (auto buffer = pool.try_acquire()) {
        CHECK(buffer->bytes().size() == 100);
        places.insert(address(buffer->bytes()));
        held.push_back(std::move(*buffer));
    }
    CHECK(held.size() == 3);
    CHECK(places.size() == 3);
    CHECK(pool.in_use() == 3);
    held.pop_back();
    CHECK(pool.in_use() == 2);
    CHECK(places.contains(address(pool.try_acquire()->bytes())));
    held.clear();
    CHECK(pool.in_use() == 0);
    CHECK(pool.peak_in_use() == 3);
}

TEST_CASE("the buffer given back last is lent first", "[buffer_pool]") {
    BufferPool pool(8, 4);
    auto first = pool.acquire();
    auto second = pool.acquire();
    const std::uintptr_t place = address(first->bytes());
    first.reset();
    CHECK(address(pool.acquire()->bytes()) == place);
}

TEST_CASE("overwriting a held buffer gives it back", "[buffer_pool]") {
    BufferPool pool(8, 2);
    PooledBuffer kept = *pool.try_acquire();
    PooledBuffer other = *pool.try_acquire();
    const std::uintptr_t place = address(other.bytes());
    kept = std::move(other);
    CHECK(pool.in_use() == 1);
    CHECK(address(kept.bytes()) == place);
    kept = PooledBuffer();
    CHECK(pool.in_use() == 0);
    CHECK_FALSE(kept);
    CHECK(kept.bytes().empty());
}

TEST_CASE("a buffer moved onto itself stays", "[buffer_pool]") {
    BufferPool pool(8, 1);
    PooledBuffer buffer = *pool.try_acquire();
    PooledBuffer& same = buffer;
    buffer = std::move(same);
    CHECK(buffer);
    CHECK(pool.in_use() == 1);
}

TEST_CASE("acquire waits for a buffer that another thread gives back", "[buffer_pool]") {
    const TimeLimit limit("acquire");
    BufferPool pool(8, 2);
    std::atomic<int> lent{0};
    std::atomic<bool> exceeded{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int turn = 0; turn < 3000; ++turn) {
                const auto buffer = pool.acquire();
                if (++lent > 2) exceeded = true;
                --lent;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK_FALSE(exceeded);
    CHECK(pool.in_use() == 0);
    CHECK(pool.peak_in_use() <= 2);
}

TEST_CASE("abort ends every acquire; buffers still go back", "[buffer_pool]") {
    const TimeLimit limit("abort of a pool");
    BufferPool pool(8, 1);
    auto held = pool.acquire();
    std::atomic<int> empty_handed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] { empty_handed += pool.acquire() ? 0 : 1; });
    }
    pool.abort();
    pool.abort();
    for (std::thread& thread : threads) thread.join();
    CHECK(empty_handed == 4);
    held.reset();
    CHECK(pool.in_use() == 0);
    CHECK_FALSE(pool.try_acquire());
    CHECK_FALSE(pool.acquire());
}

}  // namespace
}  // namespace multifd
