#include "engine/text/quantity.hpp"

#include <array>
#include <limits>
#include <span>

namespace multifd {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t scale;  ///< How many smallest units it has.
};

constexpr std::uint64_t kKi = 1024;
constexpr std::uint64_t kMi = kKi * kKi;
constexpr std::uint64_t kGi = kMi * kKi;
constexpr std::uint64_t kTi = kGi * kKi;

// The printers take the largest that divides, so these stand in falling order.
constexpr std::array<Unit, 4> kPrintedSizes{
    {{"TiB", kTi}, {"GiB", kGi}, {"MiB", kMi}, {"KiB", kKi}}};

constexpr std::array<Unit, 10> kSizes{{{"", 1},
                                       {"b", 1},
                                       {"k", kKi},
                                       {"kib", kKi},
                                       {"m", kMi},
                                       {"mib", kMi},
                                       {"g", kGi},
                                       {"gib", kGi},
                                       {"t", kTi},
                                       {"tib", kTi}}};

constexpr std::array<Unit, 4> kTimes{{{"", 1'000}, {"us", 1}, {"ms", 1'000}, {"s", 1'000'000}}};

constexpr std::array<Unit, 4> kBits{
    {{"bit/s", 1}, {"kbit/s", 1'000}, {"mbit/s", 1'000'000}, {"gbit/s", 1'000'000'000}}};

constexpr bool is_digit(char letter) noexcept {
    return letter >= '0' && letter <= '9';
}

constexpr char lower(char letter) noexcept {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

bool equal_ignoring_case(std::string_view left, std::string_view right) noexcept {
    if (left.size() != right.size()) return false;
    for (std::size_t index = 0; index < left.size(); ++index) {
        if (lower(left[index]) != lower(right[index])) return false;
    }
    return true;
}

/// digits / 10^decimals.
struct Decimal {
    std::uint64_t digits = 0;
    std::uint64_t divisor = 1;
};

/// Appends one digit; false when it does not fit.
bool append_digit(std::uint64_t& value, char letter) noexcept {
    const auto digit = static_cast<std::uint64_t>(letter - '0');
    constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
    if (value > (kMax - digit) / 10) return false;
    value = value * 10 + digit;
    return true;
}

/// Takes the number off the front of `text`.
std::optional<Decimal> take_decimal(std::string_view& text) noexcept {
    constexpr std::uint64_t kDivisorMax = 1'000'000'000'000;
    Decimal number;
    bool fraction = false;
    bool digit_last = false;
    std::size_t length = 0;
    for (; length < text.size(); ++length) {
        const char letter = text[length];
        if (letter == '.' && digit_last && !fraction) {
            fraction = true;
            digit_last = false;
            continue;
        }
        if (!is_digit(letter)) break;
        if (!append_digit(number.digits, letter)) return std::nullopt;
        if (fraction) number.divisor *= 10;
        if (number.divisor > kDivisorMax) return std::nullopt;
        digit_last = true;
    }
    if (!digit_last) return std::nullopt;
    text.remove_prefix(length);
    return number;
}

std::optional<std::uint64_t> scaled(const Decimal& number, std::uint64_t scale) noexcept {
    // 128 bits hold any product of two 64-bit numbers, so nothing overflows before the check.
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(number.digits) * scale;
    if (product % number.divisor != 0) return std::nullopt;
    const Wide value = product / number.divisor;
    if (value > std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
    return static_cast<std::uint64_t>(value);
}

std::optional<std::uint64_t> parse_with(std::string_view text,
                                        std::span<const Unit> units) noexcept {
    const auto number = take_decimal(text);
    if (!number) return std::nullopt;
    for (const Unit& unit : units) {
        if (equal_ignoring_case(text, unit.name)) return scaled(*number, unit.scale);
    }
    return std::nullopt;
}

std::string format_with(std::uint64_t value, std::span<const Unit> units) {
    for (const Unit& unit : units) {
        if (value != 0 && value % unit.scale == 0) {
            return std::to_string(value / unit.scale).append(unit.name);
        }
    }
    return std::to_string(value);
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept {
    return parse_with(text, kSizes);
}

std::optional<std::chrono::microseconds> parse_time(std::string_view text) noexcept {
    const auto value = parse_with(text, kTimes);
    constexpr auto kMax = std::numeric_limits<std::chrono::microseconds::rep>::max();
    if (!value || *value > static_cast<std::uint64_t>(kMax)) return std::nullopt;
    return std::chrono::microseconds(static_cast<std::chrono::microseconds::rep>(*value));
}

std::optional<std::uint64_t> parse_rate(std::string_view text) noexcept {
    constexpr std::string_view kPerSecond = "/s";
    if (const auto bits = parse_with(text, kBits)) {
        if (*bits % 8 != 0) return std::nullopt;
        return *bits / 8;
    }
    if (text.size() > kPerSecond.size() &&
        equal_ignoring_case(text.substr(text.size() - kPerSecond.size()), kPerSecond)) {
        text.remove_suffix(kPerSecond.size());
    }
    return parse_size(text);
}

std::optional<std::uint64_t> parse_count(std::string_view text) noexcept {
    if (text.empty()) return std::nullopt;
    std::uint64_t value = 0;
    for (const char letter : text) {
        if (!is_digit(letter) || !append_digit(value, letter)) return std::nullopt;
    }
    return value;
}

std::string format_size(std::uint64_t bytes) {
    return format_with(bytes, kPrintedSizes);
}

std::string format_time(std::chrono::microseconds time) {
    constexpr std::array<Unit, 3> kPrinted{{{"s", 1'000'000}, {"ms", 1'000}, {"us", 1}}};
    return format_with(static_cast<std::uint64_t>(time.count()), kPrinted);
}

std::string format_rate(std::uint64_t bytes_per_second) {
    return format_size(bytes_per_second).append("/s");
}

std::string format_whole_mib(std::uint64_t bytes) {
    constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
    return std::to_string(bytes / kMiB + (bytes % kMiB != 0 ? 1 : 0)) + " MiB";
}

}  // namespace multifd
