#include "channels/wire/json_text.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace multifd;

TEST_CASE("nesting is counted over arrays and objects alike", "[wire]") {
    CHECK(json_nesting_within("1", 0));
    CHECK_FALSE(json_nesting_within("[]", 0));
    CHECK(json_nesting_within("[{},[],{}]", 2));
    CHECK_FALSE(json_nesting_within("[{\"a\":[]}]", 2));
    CHECK(json_nesting_within("[{\"a\":[]}]", 3));
    CHECK_FALSE(json_nesting_within(std::string(65535, '['), 8));
}

TEST_CASE("brackets in strings are text, also behind escapes", "[wire]") {
    CHECK(json_nesting_within(R"(["[[[{{{"])", 1));
    CHECK(json_nesting_within(R"(["\"[[["])", 1));
    CHECK_FALSE(json_nesting_within(R"(["\\",[[]]])", 2));
    CHECK_FALSE(json_nesting_within(R"("" [[)", 1));
}

TEST_CASE("text that is no JSON is judged without reading outside", "[wire]") {
    CHECK(json_nesting_within("", 0));
    CHECK(json_nesting_within("]]]]", 0));
    CHECK(json_nesting_within("\"", 0));
    CHECK(json_nesting_within("\"\\", 0));
    // Closing what was never opened does not make room for more.
    CHECK_FALSE(json_nesting_within("]]]][[", 1));
}
