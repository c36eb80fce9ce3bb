#include "channels/codec/zero_tail.hpp"

#include <array>
#include <cstdint>
#include <cstring>

namespace multifd {
namespace {

using Line = std::array<std::uint64_t, 8>;

bool is_zero(const std::byte* line) noexcept {
    Line words;
    std::memcpy(words.data(), line, sizeof(words));
    std::uint64_t any = 0;
    for (const std::uint64_t word : words) any |= word;
    return any == 0;
}

}  // namespace

std::size_t without_zero_tail(std::span<const std::byte> state) noexcept {
    std::size_t left = state.size();
    while (left >= sizeof(Line) && is_zero(state.data() + left - sizeof(Line))) {
        left -= sizeof(Line);
    }
    while (left > 0 && state[left - 1] == std::byte{0}) --left;
    return left;
}

}  // namespace multifd
