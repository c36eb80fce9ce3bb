// Sizes, times and rates as users write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace multifd {

// What each parser takes, for the messages of whoever refuses a text.
inline constexpr std::string_view kSizeForm = "bytes, or a number with KiB, MiB, GiB or TiB";
inline constexpr std::string_view kTimeForm = "milliseconds, or a number with us, ms or s";
inline constexpr std::string_view kRateForm =
    "bytes per second, or a number with KiB/s, MiB/s, GiB/s, Mbit/s or Gbit/s";

// All parsers take a decimal number, which may have a fraction ("1.5GiB") as long as the value is a
// whole number of its smallest unit, directly followed by a unit; letters of either case. Empty
// means: not of that form, or too large.

/// Bytes. Units: none or B, K or KiB, M or MiB, G or GiB, T or TiB; all powers of two, as QEMU's.
/// GB and its like are refused, because nobody knows what their author meant.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;

/// Units: us, ms, s; none is ms, as in QEMU's parameters.
[[nodiscard]] std::optional<std::chrono::microseconds> parse_time(std::string_view text) noexcept;

/// Bytes per second: a size with or without "/s", or bits with decimal prefixes as networks count
/// them: bit/s, Kbit/s, Mbit/s, Gbit/s.
[[nodiscard]] std::optional<std::uint64_t> parse_rate(std::string_view text) noexcept;

/// A whole decimal number of digits only.
[[nodiscard]] std::optional<std::uint64_t> parse_count(std::string_view text) noexcept;

// The shortest exact text, which the parsers read back to the same value: "1GiB", "1536KiB",
// "300ms".
[[nodiscard]] std::string format_size(std::uint64_t bytes);
[[nodiscard]] std::string format_time(std::chrono::microseconds time);
[[nodiscard]] std::string format_rate(std::uint64_t bytes_per_second);

/// For a sentence, not for the parsers: "12 MiB", rounded up.
[[nodiscard]] std::string format_whole_mib(std::uint64_t bytes);

}  // namespace multifd
