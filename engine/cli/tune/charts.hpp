// Charts of a tuning's report page, as SVG. What they draw stands in plain structures.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "engine/cli/tune/bottleneck.hpp"
#include "engine/cli/tune/spread.hpp"

namespace multifd::tuning {

/// Colours that the page knows as classes c0, c1, ...; more series than that share them.
inline constexpr std::size_t kColors = 8;
std::string color_class(std::size_t index);

/// Lines over named places, each point a median with its spread.
struct LineChart {
    struct Series {
        std::string name;
        std::vector<std::optional<Spread>> points;  ///< One for each place.
    };
    std::string label;    ///< What it shows.
    std::string x_title;  ///< Below the places.
    std::string unit;     ///< Of the values, for what is pointed at.
    std::vector<std::string> places;
    std::vector<Series> series;
    double at_least = 0;  ///< What the scale reaches in any case: beside others it is theirs.
};
std::string draw(const LineChart& chart);
/// The largest value in it.
double highest(const LineChart& chart);

/// Horizontal bars of parts one after the other, with a total.
struct StackedBars {
    struct Bar {
        std::string name;
        std::vector<double> parts;  ///< As many as there are names.
        std::string total;
        bool marked = false;  ///< The best.
    };
    std::string label;
    std::string unit;
    std::vector<std::string> part_names;
    std::vector<Bar> bars;
};
std::string draw(const StackedBars& chart);

/// How much of the time each part was busy: bars from 0 to 100%.
std::string draw_shares(const std::vector<Share>& shares);

}  // namespace multifd::tuning
