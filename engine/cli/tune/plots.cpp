#include "engine/cli/tune/plots.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <sstream>

#include "engine/cli/readable.hpp"
#include "engine/cli/tune/charts.hpp"
#include "engine/cli/tune/svg.hpp"

namespace multifd::tuning {
namespace {

constexpr std::size_t kBarsMax = 20;
constexpr std::size_t kPanelsMax = 8;

struct PartName {
    const char* name;
    Figure figure;
};
constexpr std::array kDowntimeParts{
    PartName{"stop the devices", Figure::stop},  PartName{"send the state", Figure::state},
    PartName{"load the rest", Figure::load},     PartName{"validate it", Figure::validate},
    PartName{"compare digests", Figure::verify}, PartName{"commit and start", Figure::commit},
};

std::string legend(const std::vector<std::string>& names) {
    std::string items;
    for (std::size_t index = 0; index < names.size(); ++index) {
        items += "<li class=\"" + color_class(index) + "\"><i></i>" + html_escape(names[index]) +
                 "</li>";
    }
    return "<ul class=\"legend\">" + items + "</ul>\n";
}

/// What lies along the axis, what has a line of its own, and what makes another panel.
struct Layout {
    std::size_t along = 0;
    std::optional<std::size_t> lines;
    std::vector<std::size_t> panels;
};

Layout layout_of(const Matrix& matrix) {
    std::vector<std::size_t> varied;
    for (std::size_t axis = 0; axis < matrix.axes.size(); ++axis) {
        if (matrix.axes[axis].values.size() > 1) varied.push_back(axis);
    }
    Layout layout;
    if (!varied.empty()) layout.along = varied[0];
    if (varied.size() > 1) layout.lines = varied[1];
    if (varied.size() > 2) layout.panels.assign(varied.begin() + 2, varied.end());
    return layout;
}

std::string panel_name(const Matrix& matrix, const Layout& layout, std::size_t index) {
    std::string name;
    for (const std::size_t axis : layout.panels) {
        name += (name.empty() ? "" : ", ") + std::string(matrix.axes[axis].dimension->name) + " " +
                matrix.value(index, axis).text;
    }
    return name;
}

LineChart empty_chart(const Matrix& matrix, const Layout& layout) {
    LineChart chart;
    const Axis& along = matrix.axes[layout.along];
    chart.x_title = along.dimension->name;
    for (const DimensionValue& value : along.values) chart.places.push_back(value.text);
    const std::size_t lines = layout.lines ? matrix.axes[*layout.lines].values.size() : 1;
    for (std::size_t line = 0; line < lines; ++line) {
        LineChart::Series series{"", {}};
        series.points.resize(chart.places.size());
        if (layout.lines) {
            const Axis& axis = matrix.axes[*layout.lines];
            series.name = std::string(axis.dimension->name) + " " + axis.values[line].text;
        }
        chart.series.push_back(std::move(series));
    }
    return chart;
}

/// One chart for each panel, by its name, in the matrix's order.
std::vector<std::pair<std::string, LineChart>> charts_of(const Results& results, Figure figure,
                                                         double unit) {
    const Matrix& matrix = results.matrix;
    const Layout layout = layout_of(matrix);
    std::vector<std::pair<std::string, LineChart>> charts;
    for (std::size_t index = 0; index < matrix.cases.size(); ++index) {
        const CaseResult& result = results.cases[index];
        const std::string name = panel_name(matrix, layout, index);
        auto chart = std::ranges::find(charts, name, &std::pair<std::string, LineChart>::first);
        if (chart == charts.end()) {
            charts.emplace_back(name, empty_chart(matrix, layout));
            chart = charts.end() - 1;
        }
        if (!result.median.get(figure)) continue;
        const Spread spread = result.spread(figure);
        const std::size_t line = layout.lines ? matrix.cases[index][*layout.lines] : 0;
        chart->second.series[line].points[matrix.cases[index][layout.along]] =
            Spread{spread.median / unit, spread.low / unit, spread.high / unit};
    }
    return charts;
}

std::string chart_card(const std::string& heading, const std::string& hint, const Results& results,
                       Figure figure, double unit, const std::string& unit_name) {
    auto charts = charts_of(results, figure, unit);
    std::vector<std::string> names;
    for (const LineChart::Series& series : charts.front().second.series) {
        if (!series.name.empty()) names.push_back(series.name);
    }
    std::string body = names.empty() ? "" : legend(names);
    double most = 0;
    for (const auto& [name, chart] : charts) most = std::max(most, highest(chart));
    for (std::size_t index = 0; index < std::min(charts.size(), kPanelsMax); ++index) {
        auto& [name, chart] = charts[index];
        chart.at_least = most;
        chart.label = heading;
        chart.unit = unit_name;
        if (!name.empty()) body += "<h3>" + html_escape(name) + "</h3>\n";
        body += draw(chart);
    }
    if (charts.size() > kPanelsMax) {
        body += "<p class=\"hint\">and " + std::to_string(charts.size() - kPanelsMax) +
                " more combinations, in the table below</p>\n";
    }
    return "<section class=\"card\"><h2>" + html_escape(heading) + "</h2>\n<p class=\"hint\">" +
           html_escape(hint) + "</p>\n" + body + "</section>\n";
}

/// What tells the case from the others: values of dimensions that have several.
std::string varied_label(const Matrix& matrix, std::size_t index) {
    std::string label;
    for (std::size_t axis = 0; axis < matrix.axes.size(); ++axis) {
        if (matrix.axes[axis].values.size() < 2) continue;
        label += (label.empty() ? "" : ", ") + std::string(matrix.axes[axis].dimension->name) +
                 " " + matrix.value(index, axis).text;
    }
    return label.empty() ? matrix.label(index) : label;
}

StackedBars::Bar bar_of(const Results& results, std::size_t index) {
    const Figures& median = results.cases[index].median;
    const double downtime = median.value_or_zero(Figure::downtime);
    StackedBars::Bar bar;
    bar.name = varied_label(results.matrix, index);
    bar.marked = results.best == index;
    bar.total = readable_us(static_cast<std::uint64_t>(std::llround(downtime)));
    for (const PartName& part : kDowntimeParts) {
        bar.parts.push_back(median.value_or_zero(part.figure) / 1000);
    }
    return bar;
}

}  // namespace

std::vector<std::size_t> by_downtime(const Results& results) {
    std::vector<std::size_t> order(results.cases.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&results](std::size_t index) {
        const CaseResult& result = results.cases[index];
        return std::pair(!result.measured(), result.median.value_or_zero(Figure::downtime));
    });
    return order;
}

std::string rate_and_cost_cards(const Results& results) {
    const bool both = results.cases[*results.best].median.get(Figure::destination_cpu).has_value();
    return "<div class=\"pair\">\n" +
           chart_card("Throughput, GB/s",
                      "State per second, from the devices' stop until the destination has loaded "
                      "it all; higher is better. Lines behind the medians: lowest to highest run.",
                      results, Figure::rate, 1e9, "GB/s") +
           chart_card(
               "Processor time, s/GB",
               std::string("Of ") + (both ? "both ends" : "the source") +
                   ", for each gigabyte of state; lower is better. Lines behind the medians: "
                   "lowest to highest run.",
               results, Figure::cpu_per_gigabyte, 1, "s/GB") +
           "</div>\n";
}

std::string downtime_card(const Results& results) {
    StackedBars chart;
    chart.label = "Downtime and its parts";
    chart.unit = "ms";
    for (const PartName& part : kDowntimeParts) chart.part_names.emplace_back(part.name);
    std::size_t measured = 0;
    for (const std::size_t index : by_downtime(results)) {
        if (!results.cases[index].measured()) continue;
        if (measured++ < kBarsMax) chart.bars.push_back(bar_of(results, index));
    }
    std::string body = legend(chart.part_names) + draw(chart);
    if (measured > kBarsMax) {
        body += "<p class=\"hint\">and " + std::to_string(measured - kBarsMax) +
                " slower ones, in the table below</p>\n";
    }
    return "<section class=\"card\"><h2>Downtime and its parts</h2>\n<p class=\"hint\">Medians, "
           "one part after the other, by the source's clock; the shortest first.</p>\n" +
           body + "</section>\n";
}

std::string html_escape_lines(const std::string& text) {
    std::istringstream stream(text);
    std::string result;
    for (std::string line; std::getline(stream, line);) result += html_escape(line) + "\n";
    return result;
}

}  // namespace multifd::tuning
