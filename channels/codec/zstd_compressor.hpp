// ZstdCompressor: packets to zstd frames, with a context made once.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "channels/memory/buffer_arena.hpp"

struct ZSTD_CCtx_s;

namespace multifd {

inline constexpr int kZstdLevelMin = 1;
inline constexpr int kZstdLevelMax = 20;

/// Limits:    packets of at most `packet_bytes_max`; its memory is a matter of level and packet
///            size (0.6 MiB for level 1, 161 MiB for level 20 and 16 MiB), touched as far
///            as packets need it. Nothing allocates after construction.
/// Threads:   not thread-safe: one for each channel.
/// Errors:    the constructor throws std::bad_alloc.
class ZstdCompressor {
  public:
    /// `level` is kZstdLevelMin to kZstdLevelMax (asserted).
    ZstdCompressor(int level, std::size_t packet_bytes_max);
    ZstdCompressor(const ZstdCompressor&) = delete;
    ZstdCompressor& operator=(const ZstdCompressor&) = delete;

    /// Writes one frame that holds `source`, which must not be empty; its size. Nothing, when
    /// `target` has no room for it: that is how a packet says that it does not shrink enough.
    [[nodiscard]] std::optional<std::size_t> compress(std::span<const std::byte> source,
                                                      std::span<std::byte> target) noexcept;

  private:
    BufferArena memory_;
    ZSTD_CCtx_s* context_;  ///< Stands in memory_; owns nothing outside of it.
};

}  // namespace multifd
