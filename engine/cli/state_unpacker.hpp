// StateUnpacker: a recorded packet's data back to the state that they stand for.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "channels/codec/zstd_decompressor.hpp"
#include "channels/memory/buffer_arena.hpp"
#include "channels/wire/error.hpp"
#include "engine/cli/inspection.hpp"

namespace multifd {

/// Limits:    one packet at a time, at most limits::kPacketDataBytesMax, however many a recording
///            declares.
/// Errors:    those of ZstdDecompressor, zero_blocks_malformed. unpack() throws std::bad_alloc.
class StateUnpacker {
  public:
    /// Valid until the next call, and as long as the recording.
    Result<std::span<const std::byte>> unpack(const StatePacket& packet);

  private:
    std::optional<BufferArena> target_;  ///< Made when first needed, as the next.
    std::optional<ZstdDecompressor> decompressor_;
};

}  // namespace multifd
