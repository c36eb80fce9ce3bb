#include "engine/cli/readable.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace multifd {
namespace {

/// Three digits that count: "1.50", "15.0", "150".
std::string rounded(double value) {
    const int decimals = value < 9.995 ? 2 : (value < 99.95 ? 1 : 0);
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
    return text.data();
}

}  // namespace

std::string readable_bytes(std::uint64_t bytes) {
    constexpr std::array kUnits{" KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
    if (bytes < 1024) return std::to_string(bytes) + " B";
    double value = static_cast<double>(bytes) / 1024.0;
    std::size_t unit = 0;
    // 1023.5 and more would be printed as 1024.
    for (; value >= 1023.5 && unit + 1 < kUnits.size(); ++unit) value /= 1024.0;
    return rounded(value) + kUnits[unit];
}

std::string readable_rate(double mbps) {
    if (!std::isfinite(mbps) || mbps <= 0.0) return "0 Mbit/s";
    return mbps < 999.5 ? rounded(mbps) + " Mbit/s" : rounded(mbps / 1000.0) + " Gbit/s";
}

std::string readable_us(std::uint64_t us) {
    if (us < 1000) return std::to_string(us) + " us";
    const double value = static_cast<double>(us);
    if (value < 999.5e3) return rounded(value / 1e3) + " ms";
    if (value < 119.5e6) return rounded(value / 1e6) + " s";
    const std::uint64_t seconds = (us + 500'000) / 1'000'000;
    return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
}

std::string readable_time(double us) {
    return readable_us(static_cast<std::uint64_t>(std::llround(std::max(us, 0.0))));
}

std::string readable_ms(std::uint64_t ms) {
    return ms == 0 ? "0 ms" : readable_us(ms * 1000);
}

}  // namespace multifd
