// Bytes to compress: the same for the same arguments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace multifd {

/// Nothing that a compressor can find.
inline std::vector<std::byte> random_bytes(std::size_t size, std::uint64_t seed = 1) {
    std::mt19937_64 engine(seed);
    std::vector<std::byte> bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::byte>(engine() & 0xffU);
    return bytes;
}

/// Words from a small vocabulary, in no order: about a quarter when compressed.
inline std::vector<std::byte> wordy_bytes(std::size_t size, std::uint64_t seed = 1) {
    const auto vocabulary = random_bytes(16 * 256, 7);
    std::mt19937_64 engine(seed);
    std::vector<std::byte> bytes;
    bytes.reserve(size + 16);
    while (bytes.size() < size) {
        const auto word = static_cast<std::ptrdiff_t>((engine() % 256) * 16);
        const auto length = static_cast<std::ptrdiff_t>(4 + engine() % 12);
        bytes.insert(bytes.end(), vocabulary.begin() + word, vocabulary.begin() + word + length);
    }
    bytes.resize(size);
    return bytes;
}

}  // namespace multifd
