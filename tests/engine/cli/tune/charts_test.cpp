#include "engine/cli/tune/charts.hpp"

#include <catch2/catch.hpp>

namespace multifd::tuning {
namespace {

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a line chart skips what was not measured", "[tune]") {
    LineChart chart;
    chart.unit = "GB/s";
    chart.x_title = "channels";
    chart.places = {"1", "2", "4"};
    chart.series = {{"1MiB", {Spread{1, 1, 1}, std::nullopt, Spread{3, 2, 4}}}};
    const std::string drawing = draw(chart);
    CHECK(has(drawing, "1MiB, channels 4: 3 GB/s (2 to 4)"));
    CHECK_FALSE(has(drawing, "channels 2:"));
}

TEST_CASE("a chart beside others has their scale", "[tune]") {
    LineChart chart;
    chart.places = {"1"};
    chart.series = {{"", {Spread{3, 2, 4}}}};
    CHECK(highest(chart) == 4);
    CHECK_FALSE(has(draw(chart), ">40<"));
    chart.at_least = 40;
    CHECK(has(draw(chart), ">40<"));
}

TEST_CASE("charts without any value are drawn, empty", "[tune]") {
    LineChart lines;
    lines.places = {"1"};
    lines.series = {{"", {std::nullopt}}};
    CHECK_FALSE(has(draw(lines), "nan"));
    StackedBars bars;
    bars.part_names = {"a"};
    bars.bars = {{"none", {0}, "0 us", true}};
    CHECK_FALSE(has(draw(bars), "nan"));
    CHECK(has(draw_shares({}), "</svg>"));
}

TEST_CASE("bars stand one after the other and name their parts", "[tune]") {
    StackedBars bars;
    bars.unit = "ms";
    bars.part_names = {"send", "load"};
    bars.bars = {{"channels 1", {30, 10}, "40 ms", false}, {"channels 2", {10, 0}, "10 ms", true}};
    const std::string drawing = draw(bars);
    CHECK(has(drawing, "channels 1: load 10 ms"));
    CHECK_FALSE(has(drawing, "channels 2: load"));
    CHECK(has(drawing, "value start strong\">10 ms"));
}

TEST_CASE("a share beyond all of the time is all of it", "[tune]") {
    CHECK(has(draw_shares({{"read", 1.3}}), "100%"));
}

}  // namespace multifd::tuning
