// ZstdDecompressor: one packet's zstd frame, as it arrives, into the packet's place.
#pragma once

#include <cstddef>
#include <span>

#include "channels/memory/buffer_arena.hpp"
#include "channels/wire/error.hpp"

struct ZSTD_DCtx_s;

namespace multifd {

/// Takes a frame in pieces and writes straight to its target, which is also its window: it keeps
/// no copy of what it has written.
/// Limits:    writes within the target alone. Its memory is fixed at construction, whatever a frame
///            says of itself: a window larger than a packet is refused.
/// Ownership: the target of begin() outlives the frame.
/// Threads:   not thread-safe: one for each channel.
/// Errors:    zstd_corrupt, zstd_too_long, zstd_too_short, zstd_trailing_bytes,
///            zstd_window_too_large; after one, begin() starts anew. The constructor throws
///            std::bad_alloc.
class ZstdDecompressor {
  public:
    explicit ZstdDecompressor(std::size_t packet_bytes_max);
    ZstdDecompressor(const ZstdDecompressor&) = delete;
    ZstdDecompressor& operator=(const ZstdDecompressor&) = delete;

    /// A frame begins that must fill `target` exactly.
    void begin(std::span<std::byte> target) noexcept;
    Result<> add(std::span<const std::byte> piece) noexcept;
    /// No piece follows.
    [[nodiscard]] Result<> finish() const noexcept;

  private:
    BufferArena memory_;
    ZSTD_DCtx_s* context_;  ///< Stands in memory_; owns nothing outside of it.
    std::span<std::byte> target_;
    std::size_t written_ = 0;
    bool complete_ = false;
};

}  // namespace multifd
