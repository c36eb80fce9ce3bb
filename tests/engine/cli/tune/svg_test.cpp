#include "engine/cli/tune/svg.hpp"

#include <catch2/catch.hpp>

namespace multifd::tuning {

TEST_CASE("text is escaped for HTML", "[tune]") {
    CHECK(html_escape("a < b & \"c\" > 'd'") == "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
    CHECK(html_escape("bell\a") == "bell?");
}

TEST_CASE("numbers are short", "[tune]") {
    CHECK(short_number(0) == "0");
    CHECK(short_number(0.5) == "0.5");
    CHECK(short_number(3.14159) == "3.14");
    CHECK(short_number(12.0) == "12");
    CHECK(short_number(12.34) == "12.3");
    CHECK(short_number(1234.5) == "1234");
}

TEST_CASE("ticks are round and reach the largest value", "[tune]") {
    CHECK(ticks_up_to(0) == std::vector<double>{0});
    CHECK(ticks_up_to(1.0 / 0.0) == std::vector<double>{0});
    for (const double most : {0.003, 0.7, 1.0, 3.3, 6.0, 9.99, 42.0, 1234.0, 8e9}) {
        CAPTURE(most);
        const auto ticks = ticks_up_to(most);
        CHECK(ticks.front() == 0);
        CHECK(ticks.back() >= most * 0.999);
        CHECK(ticks.back() <= most * 2);
        CHECK(ticks.size() >= 3);
        CHECK(ticks.size() <= 7);
    }
}

TEST_CASE("a drawing is one element with what was drawn", "[tune]") {
    Svg svg(10, 20, "a \"label\"");
    svg.rectangle({1, 2}, {3, 4}, "part", "tip <1>");
    svg.text({5, 6}, "tick end", "x & y");
    const std::string markup = svg.finish();
    CHECK(markup.starts_with("<svg "));
    CHECK(markup.ends_with("</svg>\n"));
    CHECK(markup.find("aria-label=\"a &quot;label&quot;\"") != std::string::npos);
    CHECK(markup.find("<title>tip &lt;1&gt;</title></rect>") != std::string::npos);
    CHECK(markup.find(">x &amp; y</text>") != std::string::npos);
}

}  // namespace multifd::tuning
