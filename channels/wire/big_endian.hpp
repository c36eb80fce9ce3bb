// Big-endian integers in byte buffers. Every integer of the format is written this way.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace multifd {

/// The integer at `Offset` of a fixed layout; a place outside of it does not compile.
template <std::unsigned_integral T, std::size_t Offset, std::size_t N>
[[nodiscard]] constexpr T load_at(std::span<const std::byte, N> source) noexcept {
    static_assert(N != std::dynamic_extent && Offset + sizeof(T) <= N);
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value = static_cast<T>((static_cast<std::uint64_t>(value) << 8U) |
                               std::to_integer<std::uint64_t>(source[Offset + i]));
    }
    return value;
}

template <std::size_t Offset, std::unsigned_integral T, std::size_t N>
constexpr void store_at(std::span<std::byte, N> target, T value) noexcept {
    static_assert(N != std::dynamic_extent && Offset + sizeof(T) <= N);
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        target[Offset + sizeof(T) - 1 - i] = static_cast<std::byte>(value & 0xffU);
        value = static_cast<T>(static_cast<std::uint64_t>(value) >> 8U);
    }
}

template <std::unsigned_integral T>
void append_integer(std::vector<std::byte>& target, T value) {
    const std::size_t at = target.size();
    target.resize(at + sizeof(T));
    store_at<0>(std::span<std::byte, sizeof(T)>(target.data() + at, sizeof(T)), value);
}

inline void append_bytes(std::vector<std::byte>& target, std::span<const std::byte> bytes) {
    target.insert(target.end(), bytes.begin(), bytes.end());
}

inline std::span<const std::byte> bytes_of(std::string_view text) noexcept {
    return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string_view text_of(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Reads front to back from bytes whose number is not known to the compiler. Nothing is ever read
/// outside: once the bytes have run out, ok() is false, stays false, and every value is 0 or empty.
class BigEndianReader {
  public:
    explicit BigEndianReader(std::span<const std::byte> source) noexcept : source_(source) {}

    template <std::unsigned_integral T>
    [[nodiscard]] T integer() noexcept {
        const auto bytes = take(sizeof(T));
        if (bytes.size() != sizeof(T)) return 0;
        return load_at<T, 0>(std::span<const std::byte, sizeof(T)>(bytes));
    }

    /// A view of the next `count` bytes; empty when there are fewer.
    std::span<const std::byte> take(std::size_t count) noexcept {
        if (!ok_ || count > source_.size() - position_) {
            missing_ = ok_ ? position_ + count : missing_;
            ok_ = false;
            return {};
        }
        const auto bytes = source_.subspan(position_, count);
        position_ += count;
        return bytes;
    }

    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] std::size_t position() const noexcept { return position_; }
    /// When not ok(): how many bytes the source must have for the first read that failed.
    [[nodiscard]] std::size_t needed() const noexcept { return missing_; }

  private:
    std::span<const std::byte> source_;
    std::size_t position_ = 0;
    std::size_t missing_ = 0;
    bool ok_ = true;
};

}  // namespace multifd
