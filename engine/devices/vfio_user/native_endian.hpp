// Integers in the byte order of this host, as vfio-user messages carry them: both ends of a UNIX
// socket are on one host.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace multifd::vfio_user {

using Bytes = std::vector<std::byte>;
using ConstBytes = std::span<const std::byte>;

template <std::unsigned_integral T>
void append_native(Bytes& target, T value) {
    const std::size_t at = target.size();
    target.resize(at + sizeof value);
    std::memcpy(target.data() + at, &value, sizeof value);
}

/// Reads front to back. Nothing is ever read outside: once the bytes have run out, ok() is false,
/// stays false, and every value is 0 or empty.
class NativeReader {
  public:
    explicit NativeReader(ConstBytes source) noexcept : source_(source) {}

    template <std::unsigned_integral T>
    [[nodiscard]] T integer() noexcept {
        T value = 0;
        const ConstBytes bytes = take(sizeof value);
        if (bytes.size() == sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    }

    /// A view of the next `count` bytes; empty when there are fewer.
    ConstBytes take(std::size_t count) noexcept {
        ok_ = ok_ && count <= source_.size() - position_;
        if (!ok_) return {};
        position_ += count;
        return source_.subspan(position_ - count, count);
    }

    /// What is left.
    [[nodiscard]] ConstBytes rest() const noexcept { return source_.subspan(position_); }
    [[nodiscard]] bool ok() const noexcept { return ok_; }

  private:
    ConstBytes source_;
    std::size_t position_ = 0;
    bool ok_ = true;
};

}  // namespace multifd::vfio_user
