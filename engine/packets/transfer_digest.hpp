// TransferDigest: what one device's bytes came to, in delivery order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace multifd {

/// Small enough that a piece is still in a processor's own cache when it is sent after it was
/// hashed, or hashed after it was received.
inline constexpr std::size_t kHashedAtOnce = 256 * 1024;

/// XXH3-64 of `bytes`: taken where they are in cache, folded in where their order is known.
std::uint64_t hash_of(std::span<const std::byte> bytes) noexcept;

/// Folds items in delivery order, in constant memory. PROTOCOL.md has the definition: for each item
/// digest = XXH3-64(big-endian previous digest u64, idx u32, flags u32, length u64, item's hash
/// u64).
/// Threads:   not thread-safe; a device's thread owns its digest.
class TransferDigest {
  public:
    static constexpr std::uint32_t kMainChannelIdx =
        0xffffffff;  ///< Items of the main channel have no idx.
    static constexpr std::uint32_t kConfigFlag = 1;

    void fold(std::uint32_t idx, std::uint32_t flags, std::uint64_t length,
              std::uint64_t hash) noexcept;
    [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

  private:
    std::uint64_t value_ = 0;
};

/// The hash of an item that arrives in pieces.
class PiecewiseHash {
  public:
    PiecewiseHash();  ///< Throws std::bad_alloc.
    ~PiecewiseHash();
    PiecewiseHash(const PiecewiseHash&) = delete;
    PiecewiseHash& operator=(const PiecewiseHash&) = delete;
    void restart() noexcept;
    void add(std::span<const std::byte> piece) noexcept;
    [[nodiscard]] std::uint64_t value() const noexcept;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// 16 lower-case hexadecimal digits.
std::string digest_text(std::uint64_t digest);

}  // namespace multifd
