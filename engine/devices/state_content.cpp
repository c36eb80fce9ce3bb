#include "engine/devices/state_content.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace multifd {
namespace {

static_assert(std::endian::native == std::endian::little,
              "words are stored as they stand in registers");

constexpr std::size_t kWordBytes = 8;
constexpr std::size_t kLineBytes = 64;
constexpr unsigned kOffsetBits = 40;  ///< Words of 1 TiB take 37.
constexpr std::uint64_t kOffsetMask = (std::uint64_t{1} << kOffsetBits) - 1;

// Odd multipliers with well-mixed bits; any such pair would do.
constexpr std::uint64_t kFirstFactor = 0x9fb21c651e98df25;
constexpr std::uint64_t kSecondFactor = 0xd6e8feb86659fd93;
constexpr std::uint64_t kIdentityMask = 0xa0761d6478bd642f;
constexpr unsigned kPercentShift = 56;

/// The inverse of an odd number modulo 2^64; each round doubles the number of right bits, from 3.
constexpr std::uint64_t inverse_of(std::uint64_t factor) noexcept {
    std::uint64_t inverse = factor;
    for (int round = 0; round < 5; ++round) inverse *= 2 - factor * inverse;
    return inverse;
}

constexpr std::uint64_t kFirstInverse = inverse_of(kFirstFactor);
constexpr std::uint64_t kSecondInverse = inverse_of(kSecondFactor);
static_assert(kFirstFactor * kFirstInverse == 1 && kSecondFactor * kSecondInverse == 1);

/// A permutation of 64-bit numbers without visible structure; two multiplications, because every
/// 8 bytes of state cost one call.
constexpr std::uint64_t scramble(std::uint64_t value) noexcept {
    value *= kFirstFactor;
    value ^= value >> 32U;
    value *= kSecondFactor;
    value ^= value >> 32U;
    return value;
}

constexpr std::uint64_t unscramble(std::uint64_t value) noexcept {
    value ^= value >> 32U;
    value *= kSecondInverse;
    value ^= value >> 32U;
    value *= kFirstInverse;
    return value;
}
static_assert(unscramble(scramble(0x0123456789abcdef)) == 0x0123456789abcdef);

constexpr std::uint64_t stamp_of(std::uint64_t word_index, std::uint64_t generation) noexcept {
    return word_index | generation << kOffsetBits;
}

std::uint64_t load_word(const std::byte* source) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, source, kWordBytes);
    return word;
}

void store_word(std::byte* target, std::uint64_t word) noexcept {
    std::memcpy(target, &word, kWordBytes);
}

}  // namespace

StateContent::StateContent(ContentIdentity identity) noexcept
    : identity_(identity),
      key_(scramble((identity.seed | identity.compressible_pct << kPercentShift) ^ kIdentityMask)),
      filler_(scramble(~key_)) {}

bool StateContent::compressible(std::uint64_t page) const noexcept {
    // Whole percents are spread evenly: the page at which page * percent / 100 steps up.
    const std::uint64_t percent = identity_.compressible_pct;
    return page != 0 && (page + 1) * percent / 100 != page * percent / 100;
}

void StateContent::fill_words(std::span<std::byte> target, ContentPlace place) const noexcept {
    const std::uint64_t first = place.offset / kWordBytes;
    std::byte* const bytes = target.data();
    const std::size_t words = target.size() / kWordBytes;
    const std::uint64_t stamp = stamp_of(first, place.generation);
    if (!compressible(place.offset / kContentPageBytes)) {
        // The page's words differ from its first stamp only in bits that are 0 there or count on
        // without a carry into the generation.
        for (std::size_t index = 0; index < words; ++index) {
            store_word(bytes + index * kWordBytes, scramble((stamp + index) ^ key_));
        }
        return;
    }
    for (std::size_t index = 0; index < words; ++index) {
        const bool line_start = (first + index) % (kLineBytes / kWordBytes) == 0;
        store_word(bytes + index * kWordBytes, line_start ? stamp + index : filler_);
    }
}

void StateContent::fill_in_page(std::span<std::byte> target, ContentPlace place) const noexcept {
    if (place.offset % kWordBytes == 0 && target.size() % kWordBytes == 0) {
        fill_words(target, place);
        return;
    }
    // A run with a broken word at an end: make the whole words around it, and take the run out.
    std::array<std::byte, kContentPageBytes> words;
    const std::size_t skipped = place.offset % kWordBytes;
    const std::size_t whole = (skipped + target.size() + kWordBytes - 1) / kWordBytes * kWordBytes;
    fill_words(std::span(words).first(whole), {place.offset - skipped, place.generation});
    std::memcpy(target.data(), words.data() + skipped, target.size());
}

void StateContent::fill(std::span<std::byte> target, ContentPlace place) const noexcept {
    while (!target.empty()) {
        const std::uint64_t in_page = kContentPageBytes - place.offset % kContentPageBytes;
        const std::size_t length = std::min<std::uint64_t>(target.size(), in_page);
        fill_in_page(target.first(length), place);
        target = target.subspan(length);
        place.offset += length;
    }
}

std::optional<std::size_t> StateContent::first_wrong(std::span<const std::byte> source,
                                                     ContentPlace place) const noexcept {
    std::array<std::byte, kContentPageBytes> expected;
    std::size_t done = 0;
    while (done < source.size()) {
        const std::uint64_t offset = place.offset + done;
        const std::uint64_t in_page = kContentPageBytes - offset % kContentPageBytes;
        const std::size_t length = std::min<std::uint64_t>(source.size() - done, in_page);
        fill_in_page(std::span(expected).first(length), {offset, place.generation});
        const std::byte* const found = source.data() + done;
        if (std::memcmp(expected.data(), found, length) != 0) {
            const auto* const wrong =
                std::mismatch(expected.data(), expected.data() + length, found).second;
            return done + static_cast<std::size_t>(wrong - found);
        }
        done += length;
    }
    return std::nullopt;
}

std::string StateContent::describe_wrong(std::span<const std::byte> source, ContentPlace place,
                                         std::size_t wrong, std::uint64_t state_bytes) const {
    const std::uint64_t offset = place.offset + wrong;
    std::byte expected{};
    fill(std::span(&expected, 1), {offset, place.generation});
    std::string text = "state byte at offset " + std::to_string(offset) + " is wrong: expected " +
                       std::to_string(std::to_integer<int>(expected)) + " of generation " +
                       std::to_string(place.generation) + ", found " +
                       std::to_string(std::to_integer<int>(source[wrong]));
    // The word around the byte may tell where it came from, if all of it is here.
    const std::size_t into_word = offset % kWordBytes;
    if (into_word > wrong || wrong - into_word + kWordBytes > source.size()) return text;
    const std::uint64_t word = load_word(source.data() + wrong - into_word);
    if (word == 0) return text + " in a word of zeros";
    const std::uint64_t stamp = unscramble(word) ^ key_;
    const std::uint64_t found_offset = (stamp & kOffsetMask) * kWordBytes;
    if (found_offset >= state_bytes) return text + ", which belongs nowhere in this state";
    return text + ", which belongs to offset " + std::to_string(found_offset + into_word) +
           " of generation " + std::to_string(stamp >> kOffsetBits);
}

std::optional<ContentIdentity> StateContent::identity_of_first_word(std::uint64_t word) noexcept {
    // The stamp of offset 0, generation 0 is 0, so the word is the scrambled key.
    const std::uint64_t packed = unscramble(unscramble(word)) ^ kIdentityMask;
    const ContentIdentity identity{packed & kContentSeedMax, packed >> kPercentShift};
    if (identity.compressible_pct > 100) return std::nullopt;
    return identity;
}

}  // namespace multifd
