#include "engine/packets/transfer_digest.hpp"

#include <xxhash.h>
#if __has_include(<xxh_x86dispatch.h>) && defined(__x86_64__)
// Takes the widest vectors that this processor has; without it, the narrowest that any has.
#include <xxh_x86dispatch.h>
#endif

#include <array>
#include <new>

#include "channels/wire/big_endian.hpp"

namespace multifd {

std::uint64_t hash_of(std::span<const std::byte> bytes) noexcept {
    return XXH3_64bits(bytes.data(), bytes.size());
}

void TransferDigest::fold(std::uint32_t idx, std::uint32_t flags, std::uint64_t length,
                          std::uint64_t hash) noexcept {
    std::array<std::byte, 32> item;
    const std::span<std::byte, 32> target(item);
    store_at<0>(target, value_);
    store_at<8>(target, idx);
    store_at<12>(target, flags);
    store_at<16>(target, length);
    store_at<24>(target, hash);
    value_ = hash_of(item);
}

struct PiecewiseHash::State {
    XXH3_state_t* xxh3 = XXH3_createState();
    ~State() { XXH3_freeState(xxh3); }
};

PiecewiseHash::PiecewiseHash() : state_(std::make_unique<State>()) {
    if (state_->xxh3 == nullptr) throw std::bad_alloc();
    restart();
}

PiecewiseHash::~PiecewiseHash() = default;

void PiecewiseHash::restart() noexcept {
    XXH3_64bits_reset(state_->xxh3);
}

void PiecewiseHash::add(std::span<const std::byte> piece) noexcept {
    XXH3_64bits_update(state_->xxh3, piece.data(), piece.size());
}

std::uint64_t PiecewiseHash::value() const noexcept {
    return XXH3_64bits_digest(state_->xxh3);
}

std::string digest_text(std::uint64_t digest) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text(16, '0');
    for (auto digit = text.rbegin(); digit != text.rend(); ++digit) {
        *digit = kDigits[digest & 0xfU];
        digest >>= 4U;
    }
    return text;
}

}  // namespace multifd
