// Zeros at the end of a packet, which need not travel.
#pragma once

#include <cstddef>
#include <span>

namespace multifd {

/// How much of `state` is left when the zeros at its end are cut off; 0 when all of it is zero.
/// Looks from the end and stops at the first word that is not zero: what ends otherwise costs one
/// cache line.
[[nodiscard]] std::size_t without_zero_tail(std::span<const std::byte> state) noexcept;

}  // namespace multifd
