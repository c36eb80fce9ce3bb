#include "engine/cli/tune/svg.hpp"

#include <array>
#include <cmath>
#include <cstdio>

#include "engine/cli/printable_text.hpp"

namespace multifd::tuning {
namespace {

constexpr double kTicksMax = 6;

/// Wider drawings have all of the page; where that is narrow they scroll.
constexpr double kHalfPage = 500;

std::string coordinate(double value) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.1f", value);
    return text.data();
}

std::string attribute(std::string_view name, double value) {
    return " " + std::string(name) + "=\"" + coordinate(value) + "\"";
}

std::string attribute(std::string_view name, std::string_view value) {
    return " " + std::string(name) + "=\"" + html_escape(value) + "\"";
}

}  // namespace

std::string html_escape(std::string_view text) {
    std::string result;
    for (const char letter : printable(text)) {
        switch (letter) {
            case '&':
                result += "&amp;";
                break;
            case '<':
                result += "&lt;";
                break;
            case '>':
                result += "&gt;";
                break;
            case '"':
                result += "&quot;";
                break;
            case '\'':
                result += "&#39;";
                break;
            default:
                result += letter;
        }
    }
    return result;
}

std::string short_number(double value) {
    std::array<char, 64> text{};
    const double size = std::abs(value);
    const int decimals = size < 9.995 ? 2 : (size < 99.95 ? 1 : 0);
    std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
    std::string result = text.data();
    if (result.find('.') == std::string::npos) return result;
    result.erase(result.find_last_not_of('0') + 1);
    if (result.ends_with('.')) result.pop_back();
    return result;
}

std::vector<double> ticks_up_to(double most) {
    if (!(most > 0) || !std::isfinite(most)) return {0};
    double step = std::pow(10.0, std::floor(std::log10(most / kTicksMax)));
    for (const double factor : {1.0, 2.0, 2.5, 5.0, 10.0}) {
        if (most / (step * factor) > kTicksMax) continue;
        step *= factor;
        break;
    }
    std::vector<double> ticks;
    const int count = static_cast<int>(std::ceil(most / step - 1e-9));
    for (int index = 0; index <= count; ++index) ticks.push_back(step * index);
    return ticks;
}

Svg::Svg(double width, double height, std::string_view label)
    : markup_("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"" +
              std::string(width > kHalfPage ? " class=\"wide\"" : "") + " viewBox=\"0 0 " +
              coordinate(width) + " " + coordinate(height) + "\"" + attribute("aria-label", label) +
              ">\n") {}

void Svg::rectangle(Point corner, Point size, std::string_view style, std::string_view title) {
    markup_ += "<rect" + attribute("x", corner.x) + attribute("y", corner.y) +
               attribute("width", size.x) + attribute("height", size.y);
    close("rect", style, title);
}

void Svg::line(Point from, Point to, std::string_view style) {
    markup_ += "<line" + attribute("x1", from.x) + attribute("y1", from.y) + attribute("x2", to.x) +
               attribute("y2", to.y);
    close("line", style, {});
}

void Svg::polyline(const std::vector<Point>& corners, std::string_view style) {
    markup_ += "<polyline";
    points(corners);
    close("polyline", style, {});
}

void Svg::polygon(const std::vector<Point>& corners, std::string_view style) {
    markup_ += "<polygon";
    points(corners);
    close("polygon", style, {});
}

void Svg::circle(Point center, double radius, std::string_view style, std::string_view title) {
    markup_ +=
        "<circle" + attribute("cx", center.x) + attribute("cy", center.y) + attribute("r", radius);
    close("circle", style, title);
}

void Svg::text(Point at, std::string_view style, std::string_view words) {
    markup_ += "<text" + attribute("x", at.x) + attribute("y", at.y) + attribute("class", style) +
               ">" + html_escape(words) + "</text>\n";
}

std::string Svg::finish() {
    return std::move(markup_) + "</svg>\n";
}

void Svg::points(const std::vector<Point>& corners) {
    markup_ += " points=\"";
    for (const Point& point : corners) {
        markup_ += coordinate(point.x) + "," + coordinate(point.y) + " ";
    }
    markup_ += "\"";
}

void Svg::close(std::string_view element, std::string_view style, std::string_view title) {
    markup_ += attribute("class", style);
    if (title.empty()) {
        markup_ += "/>\n";
    } else {
        markup_ += "><title>" + html_escape(title) + "</title></" + std::string(element) + ">\n";
    }
}

}  // namespace multifd::tuning
