// Compiled twice: with oneTBB inside, and with the plain twin of the thread-sanitizer builds.
#include "channels/memory/bounded_queue.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdint>
#include <functional>
#include <random>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "channels/memory/buffer_pool.hpp"
#include "tests/channels/memory/time_limit.hpp"

namespace multifd {
namespace {

TEST_CASE("values leave in the order they came, round and round", "[bounded_queue]") {
    BoundedQueue<int> queue(3);
    int pushed = 0;
    int popped = 0;
    for (int round = 0; round < 1000; ++round) {
        while (pushed < popped + 1 + round % 3) REQUIRE(queue.push(pushed++));
        REQUIRE(queue.pop() == popped++);
    }
    while (popped < pushed) REQUIRE(queue.pop() == popped++);
}

TEST_CASE("close refuses pushes and lets poppers drain", "[bounded_queue]") {
    BoundedQueue<int> queue(4);
    REQUIRE(queue.push(1));
    REQUIRE(queue.push(2));
    queue.close();
    queue.close();
    CHECK_FALSE(queue.push(3));
    CHECK(queue.pop() == 1);
    CHECK_FALSE(queue.push(3));
    CHECK(queue.pop() == 2);
    for (int i = 0; i < 3; ++i) CHECK(queue.pop() == std::nullopt);
}

TEST_CASE("abort drops what is inside, at once", "[bounded_queue]") {
    BufferPool pool(64, 3);
    BoundedQueue<PooledBuffer> queue(3);
    for (int i = 0; i < 3; ++i) REQUIRE(queue.push(*pool.try_acquire()));
    REQUIRE(pool.in_use() == 3);
    SECTION("of an open queue") {}
    SECTION("of a closed queue") {
        queue.close();
    }
    queue.abort();
    CHECK(pool.in_use() == 0);
    queue.abort();
    queue.close();
    CHECK_FALSE(queue.push({}));
    CHECK_FALSE(queue.pop().has_value());
    CHECK_FALSE(queue.pop().has_value());
}

// Whether the threads wait already or come a moment later must make no difference.
TEST_CASE("close and abort release every blocked pusher and popper", "[bounded_queue]") {
    const TimeLimit limit("release of blocked threads");
    const bool full = GENERATE(true, false);
    const bool close = GENERATE(true, false);
    const std::size_t refill = GENERATE(1U, 2U);
    for (int round = 0; round < 200; ++round) {
        BoundedQueue<int> queue(2, refill);
        if (full) REQUIRE((queue.push(-1) && queue.push(-2)));
        std::atomic<int> refused{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                const bool none = full ? !queue.push(-3) : !queue.pop().has_value();
                refused += none ? 1 : 0;
            });
        }
        if (round % 2 == 0) std::this_thread::yield();
        close ? queue.close() : queue.abort();
        for (std::thread& thread : threads) thread.join();
        REQUIRE(refused == 4);
        if (full && close) REQUIRE((queue.pop() == -1 && queue.pop() == -2));
        REQUIRE_FALSE(queue.pop().has_value());
    }
}

struct Counted {
    explicit Counted(std::atomic<int>& live) : live_(&live) { ++live; }
    Counted(Counted&& other) noexcept : live_(other.live_) { ++*live_; }
    Counted& operator=(Counted&&) noexcept = default;
    ~Counted() { --*live_; }
    std::atomic<int>* live_;
};

TEST_CASE("a push waits while the queue is full", "[bounded_queue]") {
    const TimeLimit limit("a full queue");
    constexpr int kCapacity = 3;
    BoundedQueue<std::uint64_t> queue(kCapacity, GENERATE(1U, 2U, 3U));
    std::atomic<std::int64_t> pushed{0};
    std::thread pusher([&] {
        for (std::uint64_t i = 0; i < 20'000; ++i) {
            if (!queue.push(i)) return;
            ++pushed;
        }
        queue.close();
    });
    std::int64_t popped = 0;
    bool overtaken = false;
    while (queue.pop()) {
        ++popped;
        // pop() may have given its slot away before popped was counted, hence one more.
        overtaken = overtaken || pushed.load() > popped + kCapacity;
    }
    pusher.join();
    CHECK(popped == 20'000);
    CHECK_FALSE(overtaken);
}

TEST_CASE("who found the queue full gets room once a refill has left, not before",
          "[bounded_queue]") {
    const TimeLimit limit("a refill");
    constexpr int kCapacity = 4;
    const int refill = GENERATE(1, 2, 3, 4);
    CAPTURE(refill);
    for (int round = 0; round < 100; ++round) {
        BoundedQueue<int> queue(kCapacity, static_cast<std::size_t>(refill));
        for (int i = 0; i < kCapacity; ++i) REQUIRE(queue.push(i));
        std::atomic<int> pushed{0};
        std::thread pusher([&] {
            for (int i = kCapacity; i < kCapacity + refill; ++i) pushed += queue.push(i) ? 1 : 0;
        });
        for (int i = 0; i < refill; ++i) {
            CHECK(pushed == 0);
            REQUIRE(queue.pop() == i);
        }
        pusher.join();
        CHECK(pushed == refill);
        for (int i = refill; i < kCapacity + refill; ++i) REQUIRE(queue.pop() == i);
    }
}

TEST_CASE("a value that leaves the queue leaves nothing behind", "[bounded_queue]") {
    std::atomic<int> live{0};
    BoundedQueue<Counted> queue(8);
    for (int i = 0; i < 5; ++i) REQUIRE(queue.push(Counted(live)));
    CHECK(live == 5);
    REQUIRE(queue.pop().has_value());
    CHECK(live == 4);
    queue.close();
    REQUIRE_FALSE(queue.push(Counted(live)));
    CHECK(live == 4);
}

/// Does something of the test's choice while it is moved: that is in the middle of a push.
struct Meddler {
    explicit Meddler(std::function<void()> meddle) : on_move(std::move(meddle)) {}
    Meddler(Meddler&& other) noexcept : on_move(std::exchange(other.on_move, nullptr)) {
        if (on_move) std::exchange(on_move, nullptr)();
    }
    Meddler& operator=(Meddler&&) noexcept = default;
    std::function<void()> on_move;
};

TEST_CASE("a push that close overtakes is still popped", "[bounded_queue]") {
    const TimeLimit limit("close within a push");
    BoundedQueue<Meddler> queue(2);
    REQUIRE(queue.push(Meddler([&queue] { queue.close(); })));
    CHECK_FALSE(queue.push(Meddler(nullptr)));
    CHECK(queue.pop().has_value());
    CHECK_FALSE(queue.pop().has_value());
}

TEST_CASE("a push that abort overtakes leaves nothing inside", "[bounded_queue]") {
    const TimeLimit limit("abort within a push");
    BufferPool pool(8, 1);
    struct Both {
        Meddler meddler;
        PooledBuffer buffer;
    };
    BoundedQueue<Both> queue(2);
    CHECK_FALSE(queue.push({Meddler([&queue] { queue.abort(); }), *pool.try_acquire()}));
    CHECK(pool.in_use() == 0);
    CHECK_FALSE(queue.pop().has_value());
}

/// What several threads saw of each other's values.
struct Traffic {
    std::vector<std::vector<std::uint32_t>> pushed;  // by producer, only what push() accepted
    std::vector<std::vector<std::uint32_t>> popped;  // by consumer
};

struct Crowd {
    std::uint32_t producers = 0;
    std::uint32_t consumers = 0;
    std::uint32_t values_each = 0;
    std::size_t capacity = 0;
};

constexpr std::uint32_t kProducerShift = 24;

template <class Ender>
Traffic run(const Crowd& crowd, BoundedQueue<std::uint32_t>& queue, Ender end_early) {
    Traffic traffic{std::vector<std::vector<std::uint32_t>>(crowd.producers),
                    std::vector<std::vector<std::uint32_t>>(crowd.consumers)};
    std::vector<std::thread> producers;
    for (std::uint32_t p = 0; p < crowd.producers; ++p) {
        producers.emplace_back([&, p] {
            for (std::uint32_t i = 0; i < crowd.values_each; ++i) {
                const std::uint32_t value = (p << kProducerShift) | i;
                if (!queue.push(value)) return;
                traffic.pushed[p].push_back(value);
            }
        });
    }
    std::vector<std::thread> consumers;
    for (std::uint32_t c = 0; c < crowd.consumers; ++c) {
        consumers.emplace_back([&, c] {
            while (const auto value = queue.pop()) traffic.popped[c].push_back(*value);
        });
    }
    end_early(queue);
    for (std::thread& thread : producers) thread.join();
    queue.close();
    for (std::thread& thread : consumers) thread.join();
    return traffic;
}

std::size_t total(const std::vector<std::vector<std::uint32_t>>& sequences) {
    std::size_t sum = 0;
    for (const auto& sequence : sequences) sum += sequence.size();
    return sum;
}

/// Whether one order exists of which every sequence is a subsequence: take what stands at the head
/// of all the sequences it is in, until nothing is left.
bool one_order_explains(const std::vector<std::vector<std::uint32_t>>& sequences) {
    std::vector<std::size_t> heads(sequences.size(), 0);
    std::unordered_map<std::uint32_t, std::vector<std::size_t>> places;
    for (std::size_t s = 0; s < sequences.size(); ++s) {
        for (const std::uint32_t value : sequences[s]) places[value].push_back(s);
    }
    std::vector<std::size_t> ready(sequences.size());
    for (std::size_t s = 0; s < sequences.size(); ++s) ready[s] = s;
    const auto at_head = [&](std::size_t s, std::uint32_t value) {
        return heads[s] < sequences[s].size() && sequences[s][heads[s]] == value;
    };
    while (!ready.empty()) {
        const std::size_t s = ready.back();
        ready.pop_back();
        if (heads[s] == sequences[s].size()) continue;
        const std::uint32_t value = sequences[s][heads[s]];
        const std::vector<std::size_t>& in = places[value];
        bool everywhere = true;
        for (const std::size_t other : in) everywhere = everywhere && at_head(other, value);
        if (!everywhere) continue;
        for (const std::size_t other : in) ++heads[other];
        for (const std::size_t other : in) ready.push_back(other);
    }
    for (std::size_t s = 0; s < sequences.size(); ++s) {
        if (heads[s] != sequences[s].size()) return false;
    }
    return true;
}

std::vector<std::vector<std::uint32_t>> all_of(const Traffic& traffic) {
    auto sequences = traffic.pushed;
    sequences.insert(sequences.end(), traffic.popped.begin(), traffic.popped.end());
    return sequences;
}

TEST_CASE("the order check tells one order from two", "[bounded_queue]") {
    CHECK(one_order_explains({{1, 2, 3}, {1, 3}, {2}}));
    CHECK_FALSE(one_order_explains({{1, 2, 3}, {3, 1}, {2}}));
    CHECK_FALSE(one_order_explains({{1, 2}, {3, 4}, {4, 1}, {2, 3}}));  // a circle through all four
}

TEST_CASE("each popper sees a subsequence of one global order", "[bounded_queue]") {
    const TimeLimit limit("one global order");
    const std::size_t capacity = GENERATE(1U, 2U, 7U, 64U);
    const Crowd crowd{.producers = 4, .consumers = 4, .values_each = 4000, .capacity = capacity};
    const bool at_once = GENERATE(false, true);
    BoundedQueue<std::uint32_t> queue(capacity, at_once ? (capacity + 1) / 2 : 1);
    const Traffic traffic = run(crowd, queue, [](auto&) {});
    CHECK(total(traffic.pushed) == 16'000);
    CHECK(total(traffic.popped) == 16'000);
    CHECK(one_order_explains(all_of(traffic)));
}

TEST_CASE("whatever moment close comes, each accepted value is popped once", "[bounded_queue]") {
    const TimeLimit limit("close at any moment");
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto up_to = [&random](std::uint32_t most) {
        return std::uniform_int_distribution<std::uint32_t>(1, most)(random);
    };
    for (int round = 0; round < 300; ++round) {
        const Crowd crowd{.producers = up_to(5),
                          .consumers = up_to(5),
                          .values_each = up_to(200),
                          .capacity = up_to(5)};
        CAPTURE(round, crowd.producers, crowd.consumers, crowd.values_each, crowd.capacity);
        BoundedQueue<std::uint32_t> queue(crowd.capacity,
                                          up_to(static_cast<std::uint32_t>(crowd.capacity)));
        const int patience = static_cast<int>(up_to(50));
        const Traffic traffic = run(crowd, queue, [patience](auto& ended) {
            for (int i = 0; i < patience; ++i) std::this_thread::yield();
            ended.close();
        });
        REQUIRE(total(traffic.popped) == total(traffic.pushed));
        REQUIRE(one_order_explains(all_of(traffic)));
    }
}

TEST_CASE("whatever moment abort comes, nobody stays and nothing stays inside", "[bounded_queue]") {
    const TimeLimit limit("abort at any moment");
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 300; ++round) {
        std::atomic<int> live{0};
        const std::size_t capacity = 1 + random() % 4;
        BoundedQueue<Counted> queue(capacity, 1 + random() % capacity);
        std::vector<std::thread> threads;
        for (int i = 0; i < 3; ++i) {
            threads.emplace_back([&] {
                while (queue.push(Counted(live))) {
                }
            });
            threads.emplace_back([&] {
                while (queue.pop()) {
                }
            });
        }
        const bool closed_before = random() % 4 == 0;
        for (auto patience = random() % 50; patience > 0; --patience) std::this_thread::yield();
        if (closed_before) queue.close();
        queue.abort();
        for (std::thread& thread : threads) thread.join();
        REQUIRE(live == 0);
    }
}

}  // namespace
}  // namespace multifd
