#include "engine/text/nearest_name.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <string>

namespace multifd {
namespace {

constexpr std::array<std::string_view, 6> kNames{"size", "seed",       "precopy",
                                                 "p2p",  "dirty-rate", "read-rate"};

TEST_CASE("the nearest name has the fewest edits", "[nearest_name]") {
    CHECK(nearest_name("sise", kNames) == "size");
    CHECK(nearest_name("seeed", kNames) == "seed");
    CHECK(nearest_name("pre-copy", kNames) == "precopy");
    CHECK(nearest_name("reed-rat", kNames) == "read-rate");
    CHECK(nearest_name("rad-rate", kNames) == "read-rate");
}

TEST_CASE("a name that was cut short is nearer than any misspelling", "[nearest_name]") {
    constexpr std::array<std::string_view, 3> kOptions{"uuid", "multifd-channels", "config"};
    CHECK(nearest_name("multif", kOptions) == "multifd-channels");
    CHECK(nearest_name("MULTIFD_CH", kOptions) == "multifd-channels");
    CHECK(nearest_name("multix", kOptions) == "uuid");
}

TEST_CASE("swapped neighbours are one edit, case and underscores none", "[nearest_name]") {
    constexpr std::array<std::string_view, 2> kPair{"abcx", "abdc"};
    CHECK(nearest_name("abcd", kPair) == "abcx");
    constexpr std::array<std::string_view, 2> kSwap{"axyz", "badc"};
    CHECK(nearest_name("abcd", kSwap) == "badc");
    CHECK(nearest_name("DIRTY_RATE", kNames) == "dirty-rate");
}

TEST_CASE("of equally near names the first is taken; nothing is near to nothing",
          "[nearest_name]") {
    CHECK(nearest_name("xxxx", kNames) == "size");
    CHECK(nearest_name("", kNames) == "p2p");
    CHECK(nearest_name("size", {}).empty());
    CHECK_FALSE(nearest_name(std::string(100'000, 'x'), kNames).empty());
}

}  // namespace
}  // namespace multifd
