#include "channels/memory/guarded.hpp"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "tests/channels/memory/time_limit.hpp"

namespace multifd {
namespace {

using Clock = std::chrono::steady_clock;

TEST_CASE("with gives the value to one thread at a time", "[guarded]") {
    Guarded<int> counter(0);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int turn = 0; turn < 5000; ++turn) counter.with([](int& value) { ++value; });
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(counter.look([](const int& value) { return value; }) == 20'000);
}

TEST_CASE("a waiter sees the change that another thread makes", "[guarded]") {
    const TimeLimit limit("a guarded value");
    Guarded<std::vector<int>> list;
    std::thread writer([&] {
        for (int i = 1; i <= 1000; ++i) list.with([i](auto& values) { values.push_back(i); });
    });
    int sum = 0;
    while (sum < 1000 * 1001 / 2) {
        const auto some = list.wait([](const auto& values) { return !values.empty(); },
                                    [](auto& values) { return std::exchange(values, {}); });
        for (const int value : some) sum += value;
    }
    writer.join();
    CHECK(sum == 1000 * 1001 / 2);
}

TEST_CASE("a deadline ends a wait for what does not come", "[guarded]") {
    const TimeLimit limit("a deadline");
    const Guarded<bool> flag(false);
    const auto deadline = Clock::now() + std::chrono::milliseconds(20);
    CHECK_FALSE(flag.wait_until(deadline, [](const bool& value) { return value; }));
    CHECK(Clock::now() >= deadline);
}

TEST_CASE("without a deadline a wait ends when the value is ready", "[guarded]") {
    const TimeLimit limit("no deadline");
    Guarded<bool> flag(false);
    std::thread setter([&] { flag.with([](bool& value) { value = true; }); });
    CHECK(flag.wait_until(Clock::time_point::max(), [](const bool& value) { return value; }));
    setter.join();
}

}  // namespace
}  // namespace multifd
