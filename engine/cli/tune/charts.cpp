#include "engine/cli/tune/charts.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/cli/tune/svg.hpp"

namespace multifd::tuning {
namespace {

constexpr double kWidth = 480;  ///< Of a chart that has half of the page.
constexpr double kWide = 900;   ///< Of one that has all of it.
constexpr double kRight = 20;
constexpr double kRowHeight = 26;
constexpr double kBarHeight = 16;

/// Where a line chart's values and places lie on the drawing.
struct Frame {
    double left = 46;
    double top = 14;
    double width = kWidth - 46 - kRight;
    double height = 230;
    double most = 1;
    std::size_t places = 1;

    [[nodiscard]] double x(std::size_t place) const {
        return left + width * (static_cast<double>(place) + 0.5) / static_cast<double>(places);
    }
    [[nodiscard]] double y(double value) const { return top + height * (1 - value / most); }
    [[nodiscard]] double bottom() const { return top + height; }
};

void draw_axes(Svg& svg, const LineChart& chart, const Frame& frame,
               const std::vector<double>& ticks) {
    for (const double tick : ticks) {
        const double y = frame.y(tick);
        svg.line({frame.left, y}, {frame.left + frame.width, y}, tick == 0 ? "axis" : "grid");
        svg.text({frame.left - 8, y + 4}, "tick end", short_number(tick));
    }
    for (std::size_t place = 0; place < chart.places.size(); ++place) {
        svg.text({frame.x(place), frame.bottom() + 20}, "tick middle", chart.places[place]);
    }
    svg.text({frame.left + frame.width / 2, frame.bottom() + 42}, "note middle", chart.x_title);
}

std::string pointed_at(const LineChart& chart, const LineChart::Series& series, std::size_t place) {
    const Spread& point = *series.points[place];
    return (series.name.empty() ? "" : series.name + ", ") + chart.x_title + " " +
           chart.places[place] + ": " + short_number(point.median) + " " + chart.unit + " (" +
           short_number(point.low) + " to " + short_number(point.high) + ")";
}

void draw_series(Svg& svg, const LineChart& chart, const Frame& frame, std::size_t index) {
    const LineChart::Series& series = chart.series[index];
    const std::string color = color_class(index);
    // Side by side, so that the spreads of equal values can be told apart.
    const double shift =
        (static_cast<double>(index) - (static_cast<double>(chart.series.size()) - 1) / 2) * 5;
    std::vector<Point> corners;
    for (std::size_t place = 0; place < series.points.size(); ++place) {
        if (!series.points[place]) continue;
        corners.push_back({frame.x(place) + shift, frame.y(series.points[place]->median)});
    }
    svg.polyline(corners, "curve " + color);
    for (std::size_t place = 0; place < series.points.size(); ++place) {
        const auto& point = series.points[place];
        if (!point) continue;
        const double x = frame.x(place) + shift;
        svg.line({x, frame.y(point->low)}, {x, frame.y(point->high)}, "spread " + color);
        svg.circle({x, frame.y(point->median)}, 4.5, "dot " + color,
                   pointed_at(chart, series, place));
    }
}

void draw_bar(Svg& svg, const StackedBars& chart, const StackedBars::Bar& bar, Point at,
              double scale) {
    double x = at.x;
    for (std::size_t part = 0; part < bar.parts.size(); ++part) {
        const double width = bar.parts[part] * scale;
        if (width <= 0) continue;
        // A line of background between parts tells them apart whatever their colours.
        svg.rectangle({x, at.y}, {std::max(width - 1, 0.5), kBarHeight},
                      "part " + color_class(part),
                      bar.name + ": " + chart.part_names[part] + " " +
                          short_number(bar.parts[part]) + " " + chart.unit);
        x += width;
    }
    svg.text({x + 6, at.y + 12.5}, bar.marked ? "value start strong" : "value start", bar.total);
}

}  // namespace

std::string color_class(std::size_t index) {
    return "c" + std::to_string(index % kColors);
}

double highest(const LineChart& chart) {
    double most = 0;
    for (const LineChart::Series& series : chart.series) {
        for (const auto& point : series.points) {
            if (point) most = std::max(most, point->high);
        }
    }
    return most;
}

std::string draw(const LineChart& chart) {
    Frame frame;
    const std::vector<double> ticks = ticks_up_to(std::max(highest(chart), chart.at_least));
    frame.most = ticks.back() > 0 ? ticks.back() : 1;
    frame.places = std::max<std::size_t>(chart.places.size(), 1);
    Svg svg(kWidth, frame.bottom() + 52, chart.label);
    draw_axes(svg, chart, frame, ticks);
    for (std::size_t index = 0; index < chart.series.size(); ++index) {
        draw_series(svg, chart, frame, index);
    }
    return svg.finish();
}

std::string draw(const StackedBars& chart) {
    // Room for the longest name, as far as that goes.
    constexpr double kLetter = 6.4;
    std::size_t longest = 0;
    for (const StackedBars::Bar& bar : chart.bars) longest = std::max(longest, bar.name.size());
    const double left = std::clamp(static_cast<double>(longest) * kLetter + 20, 80.0, 460.0);
    constexpr double kTotal = 90;  // For the text behind the longest bar.
    double most = 0;
    for (const StackedBars::Bar& bar : chart.bars) {
        most = std::max(most, std::accumulate(bar.parts.begin(), bar.parts.end(), 0.0));
    }
    const double scale = most > 0 ? (kWide - left - kTotal) / most : 0;
    Svg svg(kWide, static_cast<double>(chart.bars.size()) * kRowHeight + 6, chart.label);
    double y = 4;
    for (const StackedBars::Bar& bar : chart.bars) {
        svg.text({left - 10, y + 12.5}, bar.marked ? "name end strong" : "name end", bar.name);
        draw_bar(svg, chart, bar, {left, y}, scale);
        y += kRowHeight;
    }
    return svg.finish();
}

std::string draw_shares(const std::vector<Share>& shares) {
    constexpr double kLeft = 260;
    constexpr double kFull = kWide - kLeft - 60;
    Svg svg(kWide, static_cast<double>(shares.size()) * kRowHeight + 6,
            "How much of the time each part was busy");
    double y = 4;
    for (const Share& share : shares) {
        const double part = std::clamp(share.part, 0.0, 1.0);
        svg.text({kLeft - 10, y + 12.5}, "name end", share.name);
        svg.rectangle({kLeft, y}, {kFull, kBarHeight}, "track");
        svg.rectangle({kLeft, y}, {kFull * part, kBarHeight}, "part c0");
        svg.text({kLeft + kFull + 8, y + 12.5}, "value start",
                 short_number(std::round(part * 100)) + "%");
        y += kRowHeight;
    }
    return svg.finish();
}

}  // namespace multifd::tuning
