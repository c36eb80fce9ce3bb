// What a memory device's state is at one moment, and the config state that tells it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/devices/state_content.hpp"

namespace multifd {

struct MemoryContent {
    ContentIdentity identity;
    std::uint64_t bytes = 0;
    std::uint64_t writes = 0;  ///< As DirtyRing counts them: decides every page's generation.
    bool operator==(const MemoryContent&) const = default;
};

/// Smallest config state: what it has to say. The rest is filled from the seed.
inline constexpr std::size_t kMemoryConfigBytesMin = 64;

/// `bytes` of config state: 0, which says nothing, or at least kMemoryConfigBytesMin.
[[nodiscard]] std::vector<std::byte> make_memory_config(const MemoryContent& content,
                                                        std::size_t bytes);

/// What the config state says; empty when any byte of it is not what make_memory_config() gives.
[[nodiscard]] std::optional<MemoryContent> read_memory_config(std::span<const std::byte> source);

}  // namespace multifd
