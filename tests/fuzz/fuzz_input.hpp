// What the fuzz targets share: the check that stops a run, and the input as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace multifd::fuzz {

/// Ends the run, so that libFuzzer keeps the input that broke `condition`.
inline void check(bool condition) {
    if (!condition) __builtin_trap();
}

inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) {
    return std::as_bytes(std::span(data, size));
}

}  // namespace multifd::fuzz
