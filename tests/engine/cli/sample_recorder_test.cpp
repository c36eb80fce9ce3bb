#include "engine/cli/sample_recorder.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <stdexcept>

namespace multifd {

TEST_CASE("the last sample is taken at the end, however short the run was", "[cli]") {
    std::atomic<std::uint64_t> bytes = 0;
    SampleRecorder recorder([&bytes] {
        Statistics numbers;
        numbers.status = Status::completed;
        numbers.transferred = bytes;
        return numbers;
    });
    bytes = 7;
    const SampleSeries& series = recorder.stop();
    REQUIRE_FALSE(series.samples().empty());
    CHECK(series.samples().back().transferred == 7);
    const std::size_t count = series.samples().size();
    CHECK(recorder.stop().samples().size() == count);
}

TEST_CASE("statistics that cannot be had cost a sample, not the process", "[cli]") {
    std::atomic<int> calls = 0;
    std::atomic<bool> fails = true;
    SampleRecorder recorder([&] {
        ++calls;
        calls.notify_all();
        if (fails) throw std::runtime_error("no memory");
        return Statistics();
    });
    calls.wait(0);
    fails = false;
    CHECK(recorder.stop().samples().empty());
}

}  // namespace multifd
