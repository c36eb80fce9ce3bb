#include "engine/cli/tune/timeline.hpp"

#include <catch2/catch.hpp>
#include <numeric>

#include "tests/engine/cli/tune/results_fixture.hpp"

namespace multifd::tuning {

TEST_CASE("a timeline has the rates of every device and channel", "[tune]") {
    const auto timeline = read_timeline(made_up_samples());
    REQUIRE(timeline);
    CHECK(timeline->span_us == 500'000);
    REQUIRE(timeline->devices.size() == 2);
    REQUIRE(timeline->channels.size() == 2);
    CHECK(timeline->channels[1].name == "channel 1");
    CHECK(timeline->stopped_from_us == 100'000.0);
    CHECK(timeline->stopped_to_us == 445'000.0);
    // Evenly 100 MB in half a second, and the other one 50 MB in the first half.
    for (const double rate : timeline->devices[0].rates) CHECK(rate == Approx(2e8));
    CHECK(timeline->devices[1].rates.front() == Approx(2e8));
    CHECK(timeline->devices[1].rates.back() == 0);
    const auto& rates = timeline->devices[1].rates;
    const double bytes =
        std::accumulate(rates.begin(), rates.end(), 0.0) * 0.5 / static_cast<double>(rates.size());
    CHECK(bytes == Approx(5e7));
}

namespace {

/// Two samples of one moment.
constexpr const char* kNoTime =
    R"({"samples":[{"at-us":0,"status":"device","devices":[],"channels":[]},)"
    R"({"at-us":0,"status":"device","devices":[],"channels":[]}],"devices":[],"channels":[]})";

}  // namespace

TEST_CASE("what is no document of samples makes no timeline", "[tune]") {
    for (const char* text :
         {"", "{", "{}", R"({"samples":[]})", R"({"samples":[{"at-us":1}]})",
          R"({"samples":[{"at-us":"x"},{"at-us":2}],"devices":["a"],"channels":[]})", kNoTime}) {
        CAPTURE(text);
        CHECK_FALSE(read_timeline(text));
    }
}

TEST_CASE("more rows than a page has room for are counted instead", "[tune]") {
    Timeline timeline;
    timeline.span_us = 1000;
    for (int index = 0; index < 30; ++index) {
        timeline.channels.push_back({"channel " + std::to_string(index), {1, 2, 3}});
    }
    const std::string drawing = draw(timeline);
    CHECK(drawing.find("channel 23") != std::string::npos);
    CHECK(drawing.find("channel 24") == std::string::npos);
    CHECK(drawing.find("and 6 more") != std::string::npos);
}

}  // namespace multifd::tuning
