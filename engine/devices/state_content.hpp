// The synthetic state of a memory device: bytes that are computed, so that any size of it can be
// made and checked without holding it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace multifd {

/// Pages are what the device dirties: each has a generation.
inline constexpr std::uint64_t kContentPageBytes = 4096;
inline constexpr std::uint64_t kContentBytesMax = std::uint64_t{1} << 40U;
inline constexpr std::uint64_t kContentSeedMax = (std::uint64_t{1} << 56U) - 1;

/// What decides every byte.
struct ContentIdentity {
    std::uint64_t seed = 0;              ///< At most kContentSeedMax.
    std::uint64_t compressible_pct = 0;  ///< 0 to 100.
    bool operator==(const ContentIdentity&) const = default;
};

/// Where in the state a run of bytes belongs.
struct ContentPlace {
    std::uint64_t offset = 0;
    std::uint64_t generation = 0;  ///< Of every page that the run touches. Counts modulo 2^24.
};

/// Generates and checks. Each aligned 8-byte word is a keyed permutation of its offset and
/// generation, little-endian, so a word says where it belongs. In compressible pages (every
/// 100/percent-th, never the first) only the first word of each 64 bytes says so, in the clear, and
/// the others repeat one value: a compressor makes such a page about a sixth.
/// Immutable; usable from any thread.
class StateContent {
  public:
    explicit StateContent(ContentIdentity identity) noexcept;

    [[nodiscard]] const ContentIdentity& identity() const noexcept { return identity_; }

    /// Writes every byte of `target`.
    void fill(std::span<std::byte> target, ContentPlace place) const noexcept;

    /// The index of the first byte that is wrong; empty when all are right.
    [[nodiscard]] std::optional<std::size_t> first_wrong(std::span<const std::byte> source,
                                                         ContentPlace place) const noexcept;

    /// One line on the byte at `wrong` (as first_wrong() gave it): its offset, the byte expected
    /// and found, and where what was found belongs, if anywhere in a state of `state_bytes`.
    [[nodiscard]] std::string describe_wrong(std::span<const std::byte> source, ContentPlace place,
                                             std::size_t wrong, std::uint64_t state_bytes) const;

    /// Whose state starts with this word (offset 0, generation 0). Empty: nobody's.
    [[nodiscard]] static std::optional<ContentIdentity> identity_of_first_word(
        std::uint64_t word) noexcept;

  private:
    [[nodiscard]] bool compressible(std::uint64_t page) const noexcept;
    void fill_words(std::span<std::byte> target, ContentPlace place) const noexcept;
    /// fill() for bytes within one page.
    void fill_in_page(std::span<std::byte> target, ContentPlace place) const noexcept;

    ContentIdentity identity_;
    std::uint64_t key_;     ///< Of the permutation.
    std::uint64_t filler_;  ///< What compressible pages repeat.
};

}  // namespace multifd
