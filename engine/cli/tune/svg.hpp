// Svg: a drawing as text. Colours and fonts are classes that the page's style sheet knows.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace multifd::tuning {

/// For text and attribute values of HTML and SVG; bytes that are no characters become '?'.
std::string html_escape(std::string_view text);

/// "12.3": at most two decimals, none that say nothing.
std::string short_number(double value);

/// Round numbers from 0 to at least `most`, at most seven; of one value when `most` is 0.
std::vector<double> ticks_up_to(double most);

struct Point {
    double x = 0;
    double y = 0;
};

class Svg {
  public:
    /// `label` says what the drawing shows, for those who cannot see it.
    Svg(double width, double height, std::string_view label);

    /// With a `title` that is shown when it is pointed at; empty for none.
    void rectangle(Point corner, Point size, std::string_view style, std::string_view title = {});
    void line(Point from, Point to, std::string_view style);
    void polyline(const std::vector<Point>& corners, std::string_view style);
    void polygon(const std::vector<Point>& corners, std::string_view style);
    void circle(Point center, double radius, std::string_view style, std::string_view title = {});
    /// `style` says where the text leans: "start", "middle" or "end" is among its classes.
    void text(Point at, std::string_view style, std::string_view words);
    /// The whole element. Nothing may be drawn after it.
    [[nodiscard]] std::string finish();

  private:
    void points(const std::vector<Point>& corners);
    void close(std::string_view element, std::string_view style, std::string_view title);

    std::string markup_;
};

}  // namespace multifd::tuning
