#include "channels/memory/memory_policy.hpp"

#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstdint>

namespace multifd {
namespace {

// The C library has no wrappers of these calls; libnuma would be a dependency for three of them.
constexpr std::size_t kNodesMax = 1024;
constexpr std::size_t kBitsPerWord = 64;
using NodeMask = std::array<std::uint64_t, kNodesMax / kBitsPerWord>;

/// The kernel takes one off: it wants one more than the number of bits.
constexpr unsigned long kMaskBits = kNodesMax + 1;

std::optional<unsigned> node_of(int mode, const NodeMask& mask) noexcept {
    if (mode != MPOL_PREFERRED) return std::nullopt;
    for (std::size_t word = 0; word < mask.size(); ++word) {
        if (mask[word] == 0) continue;
        const auto bit = static_cast<std::size_t>(std::countr_zero(mask[word]));
        return static_cast<unsigned>(word * kBitsPerWord + bit);
    }
    return std::nullopt;
}

NodeMask mask_of(unsigned node) noexcept {
    NodeMask mask{};
    mask[node / kBitsPerWord] = std::uint64_t{1} << (node % kBitsPerWord);
    return mask;
}

}  // namespace

bool prefer_node(unsigned node) noexcept {
    if (node >= kNodesMax) return false;
    const NodeMask mask = mask_of(node);
    return ::syscall(SYS_set_mempolicy, MPOL_PREFERRED, mask.data(), kMaskBits) == 0;
}

PreferredNode::PreferredNode(std::optional<unsigned> node) noexcept
    : active_(node && prefer_node(*node)) {}

PreferredNode::~PreferredNode() {
    if (active_) ::syscall(SYS_set_mempolicy, MPOL_DEFAULT, nullptr, 0);
}

std::optional<unsigned> preferred_node() noexcept {
    int mode = MPOL_DEFAULT;
    NodeMask mask{};
    if (::syscall(SYS_get_mempolicy, &mode, mask.data(), kMaskBits, nullptr, 0) != 0) {
        return std::nullopt;
    }
    return node_of(mode, mask);
}

void keep_preferred_node(std::span<std::byte> pages) noexcept {
    const auto node = preferred_node();
    if (!node) return;
    const NodeMask mask = mask_of(*node);
    // A wish: where it fails the memory comes from wherever it is touched.
    static_cast<void>(::syscall(SYS_mbind, pages.data(), pages.size(), MPOL_PREFERRED, mask.data(),
                                kMaskBits, 0));
}

std::optional<unsigned> preferred_node_of(std::span<const std::byte> pages) noexcept {
    int mode = MPOL_DEFAULT;
    NodeMask mask{};
    if (::syscall(SYS_get_mempolicy, &mode, mask.data(), kMaskBits, pages.data(), MPOL_F_ADDR) !=
        0) {
        return std::nullopt;
    }
    return node_of(mode, mask);
}

}  // namespace multifd
