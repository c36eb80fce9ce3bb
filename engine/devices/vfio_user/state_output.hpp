// StateOutput: the migration buffer of a device that is saved.
#pragma once

#include "engine/devices/vfio_user/state_sections.hpp"
#include "multifd/device.hpp"

namespace multifd::vfio_user {

/// Gives what a device saves, in sections, to reads of any size. It is filled from the device a
/// chunk at a time: never more than one chunk, or the config state, stands in memory.
/// Ownership: `device` outlives this object.
/// Threads:   the device's.
/// Errors:    the device's; after one the save is over: every later read fails, as what the failed
///            one had taken from the device is lost.
class StateOutput {
  public:
    /// `chunk_bytes`: 1 to SectionLimits::kDataBytesMax.
    StateOutput(Device& device, ServedIdentity identity, std::size_t chunk_bytes);

    /// Fills `target` as far as there is state; value is how far. `stopped`: the device is in
    /// STOP_COPY, where anything short of `target` is the end. Before, it means nothing for now.
    CallResult read(std::span<std::byte> target, bool stopped);

    /// What stands in the buffer, and whether the end does.
    [[nodiscard]] std::size_t buffered_bytes() const noexcept { return buffer_.size() - given_; }
    [[nodiscard]] bool ended() const noexcept { return ended_; }
    /// The config state's; 0 before it has been put into the buffer.
    [[nodiscard]] std::size_t config_bytes() const noexcept { return config_bytes_; }

  private:
    /// Fills the empty buffer; it stays empty when there is nothing (for now).
    CallResult refill(bool stopped);
    /// Reads a chunk, a whole one if there is so much: value is how much.
    CallResult read_chunk(std::span<std::byte> room, bool stopped);
    CallResult append_end();

    Device& device_;
    const std::size_t chunk_bytes_;
    Bytes buffer_;
    std::size_t given_ = 0;  ///< Of buffer_.
    bool drained_ = false;   ///< The stopped device has said that nothing more comes.
    bool ended_ = false;     ///< The end has been put into the buffer.
    bool failed_ = false;    ///< A read has not come to its end.
    std::size_t config_bytes_ = 0;
    std::uint64_t data_bytes_ = 0;
    PiecewiseHash digest_;
};

}  // namespace multifd::vfio_user
