// What the process used of the processors.
#include "engine/session/processor_time.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

namespace multifd {

TEST_CASE("a thread that has ended counts", "[engine]") {
    const ProcessorTime before = processor_time_of_process();
    ProcessorTime used;
    // Ends by what it measures; the limit is only for a clock that stands still.
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (used.user_us + used.system_us < 1000 && std::chrono::steady_clock::now() < limit) {
        std::thread([] {
            volatile std::uint64_t sum = 0;
            for (std::uint64_t i = 0; i < 1'000'000; ++i) sum = sum + i;
        }).join();
        used = used_between(before, processor_time_of_process());
    }
    CHECK(used.user_us + used.system_us >= 1000);
}

TEST_CASE("time used between two marks is their difference, and never below zero", "[engine]") {
    CHECK(used_between({10, 20}, {15, 40}) == ProcessorTime{5, 20});
    CHECK(used_between({10, 20}, {9, 25}) == ProcessorTime{0, 5});
}

}  // namespace multifd
