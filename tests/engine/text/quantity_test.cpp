#include "engine/text/quantity.hpp"

#include <catch2/catch.hpp>
#include <limits>

namespace multifd {
namespace {

using std::chrono::microseconds;

TEST_CASE("a size takes QEMU's units, all powers of two", "[quantity]") {
    struct Case {
        const char* text;
        std::uint64_t bytes;
    };
    const auto example = GENERATE(values<Case>({{"0", 0},
                                                {"4096", 4096},
                                                {"12B", 12},
                                                {"1K", 1024},
                                                {"512KiB", 512 * 1024},
                                                {"512kib", 512 * 1024},
                                                {"3M", 3U << 20U},
                                                {"64MiB", 64U << 20U},
                                                {"1GiB", 1U << 30U},
                                                {"1.5G", 3U << 29U},
                                                {"0.5KiB", 512},
                                                {"1T", std::uint64_t{1} << 40U},
                                                {"16777215TiB", 16777215ULL << 40U},
                                                {"18446744073709551615", ~0ULL}}));
    INFO(example.text);
    CHECK(parse_size(example.text) == example.bytes);
}

TEST_CASE("what is no size, or too large for 64 bits, is refused", "[quantity]") {
    const auto* const text =
        GENERATE("", " 1", "1 ", "-1", "+1", "0x10", "KiB", "1GB", "1kb", "1KiBx", "1..5K", "1.K",
                 ".5K", "1.5", "0.3K", "1e3", "18446744073709551616", "16777216TiB",
                 "99999999999999999999999T", "1.0000000000001T", "1/s");
    INFO(text);
    CHECK_FALSE(parse_size(text));
}

TEST_CASE("a time without unit is in milliseconds", "[quantity]") {
    CHECK(parse_time("300") == microseconds(300'000));
    CHECK(parse_time("300ms") == microseconds(300'000));
    CHECK(parse_time("250us") == microseconds(250));
    CHECK(parse_time("2s") == microseconds(2'000'000));
    CHECK(parse_time("1.5s") == microseconds(1'500'000));
    CHECK(parse_time("9223372036854775807us") == microseconds::max());
    CHECK_FALSE(parse_time("9223372036854775808us"));
    CHECK_FALSE(parse_time("9223372036854775807s"));
    CHECK_FALSE(parse_time("1min"));
    CHECK_FALSE(parse_time("1.5us"));
    CHECK_FALSE(parse_time(""));
}

TEST_CASE("a rate is in bytes per second, or in decimal bits", "[quantity]") {
    CHECK(parse_rate("500MiB") == 500U << 20U);
    CHECK(parse_rate("500MiB/s") == 500U << 20U);
    CHECK(parse_rate("123") == 123U);
    CHECK(parse_rate("123/s") == 123U);
    CHECK(parse_rate("10Gbit/s") == 1'250'000'000U);
    CHECK(parse_rate("2.5gbit/s") == 312'500'000U);
    CHECK(parse_rate("8bit/s") == 1U);
    CHECK(parse_rate("1Mbit/s") == 125'000U);
    CHECK_FALSE(parse_rate("1bit/s"));
    CHECK_FALSE(parse_rate("10Gbit"));
    CHECK_FALSE(parse_rate("/s"));
    CHECK_FALSE(parse_rate("1GB/s"));
}

TEST_CASE("a count is digits alone", "[quantity]") {
    CHECK(parse_count("0") == 0U);
    CHECK(parse_count("007") == 7U);
    CHECK(parse_count("18446744073709551615") == ~0ULL);
    CHECK_FALSE(parse_count("18446744073709551616"));
    CHECK_FALSE(parse_count("1K"));
    CHECK_FALSE(parse_count("-1"));
    CHECK_FALSE(parse_count(""));
}

TEST_CASE("what is printed is exact and read back to the same value", "[quantity]") {
    CHECK(format_size(0) == "0");
    CHECK(format_size(1000) == "1000");
    CHECK(format_size(1U << 30U) == "1GiB");
    CHECK(format_size(1536U << 10U) == "1536KiB");
    CHECK(format_rate(500U << 20U) == "500MiB/s");
    CHECK(format_time(microseconds(300'000)) == "300ms");
    CHECK(format_time(microseconds(2'000'000)) == "2s");
    CHECK(format_time(microseconds(250)) == "250us");
    CHECK(format_time(microseconds(0)) == "0");
    for (const std::uint64_t value :
         {0ULL, 1ULL, 1023ULL, 1024ULL, 1025ULL, 1ULL << 40U, (1ULL << 40U) + 1024, ~0ULL}) {
        CHECK(parse_size(format_size(value)) == value);
        CHECK(parse_rate(format_rate(value)) == value);
    }
    for (const std::int64_t value :
         {std::int64_t{0}, std::int64_t{1}, std::int64_t{999}, std::int64_t{1'000},
          std::int64_t{1'001'000}, std::numeric_limits<std::int64_t>::max()}) {
        CHECK(parse_time(format_time(microseconds(value))) == microseconds(value));
    }
}

}  // namespace
TEST_CASE("whole MiB are rounded up", "[devices]") {
    CHECK(format_whole_mib(0) == "0 MiB");
    CHECK(format_whole_mib(1) == "1 MiB");
    CHECK(format_whole_mib(1 << 20) == "1 MiB");
    CHECK(format_whole_mib((1 << 20) + 1) == "2 MiB");
    CHECK(format_whole_mib(UINT64_MAX) == "17592186044416 MiB");
}

}  // namespace multifd
