#include "engine/paths/cpu_list.hpp"

#include <catch2/catch.hpp>

namespace multifd {

using Cpus = std::vector<unsigned>;

TEST_CASE("a list of CPUs keeps its order, with ranges spelled out", "[engine]") {
    CHECK(parse_cpu_list("0") == Cpus{0});
    CHECK(parse_cpu_list("0-3,8") == Cpus{0, 1, 2, 3, 8});
    CHECK(parse_cpu_list("9,4-5,0") == Cpus{9, 4, 5, 0});
    CHECK(parse_cpu_list("7-7,8191") == Cpus{7, 8191});
}

TEST_CASE("what is no list of CPUs is none", "[engine]") {
    const auto wrong = GENERATE(values<const char*>(
        {"", ",", "0,", ",0", "a", "0-", "-3", "3-1", "0-3-5", "1,1", "0-3,2", "8192", "0-8192",
         "99999999999999999999", " 1", "1 ", "+1", "0x1", "-1"}));
    CAPTURE(wrong);
    CHECK_FALSE(parse_cpu_list(wrong).has_value());
}

TEST_CASE("CPUs are written as the kernel writes them", "[engine]") {
    CHECK(format_cpu_list({}).empty());
    CHECK(format_cpu_list({5}) == "5");
    CHECK(format_cpu_list({3, 0, 1, 8, 2}) == "3,0-1,8,2");
    CHECK(format_cpu_list({0, 1, 2, 3, 8}) == "0-3,8");
    CHECK(format_cpu_list({0, 2, 4, 5}) == "0,2,4-5");
}

}  // namespace multifd
