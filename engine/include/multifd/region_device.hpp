// RegionDevice: a device with the migration region of VFIO's interface version 1, and its adapter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "multifd/device.hpp"

namespace multifd {

/// What the device_state register holds: bit 0 _RUNNING, bit 1 _SAVING, bit 2 _RESUMING, of struct
/// vfio_device_migration_info in <linux/vfio.h> of Linux 5.7 to 5.17.
enum class RegionState : std::uint32_t {
    stop = 0,
    running = 1,
    stop_and_copy = 2,
    pre_copy = 3,
    resuming = 4,
};

/// Where a chunk of the state stands in the region's data section. Bytes.
struct RegionChunk {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

/// A device as interface version 1 sees it. The adapter makes the calls in the order of the uAPI:
///
///     saving     pending_bytes; while that is not 0: prepare, read ..., pending_bytes
///     resuming   (prepare_write, write ..., written)...
///
/// Threads:   one call at a time; interrupt() from any thread.
/// Errors:    by CallResult, or by any exception.
class RegionDevice {
  public:
    virtual ~RegionDevice() = default;

    /// Whether it has RegionState::pre_copy.
    [[nodiscard]] virtual bool pre_copy() const noexcept { return false; }
    [[nodiscard]] virtual RegionState state() = 0;
    virtual CallResult set_state(RegionState target) = 0;

    /// What is still to be saved, in `value`: an estimate, but 0 only when there is nothing (in
    /// pre-copy: for now). Reading it after read() says that the chunk has been taken; before that
    /// it may be read any number of times without an effect.
    virtual CallResult pending_bytes() = 0;
    /// Saving: makes the next chunk stand in the region, and says where. A size of 0 means that
    /// there is none yet.
    virtual CallResult prepare(RegionChunk& chunk) = 0;
    /// Saving: fills `target` from the region, from `offset` on; a chunk in any parts, any number
    /// of times.
    virtual CallResult read(std::uint64_t offset, std::span<std::byte> target) = 0;

    /// Resuming: where the next chunk is to be written, and in `size` how large it may be.
    virtual CallResult prepare_write(RegionChunk& room) = 0;
    /// Resuming: puts `source` into the region, from `offset` on.
    virtual CallResult write(std::uint64_t offset, std::span<const std::byte> source) = 0;
    /// Resuming: the `size` bytes that were written are a chunk; the device takes it.
    virtual CallResult written(std::uint64_t size) = 0;

    /// The config state, which version 1 leaves to the user: empty unless overridden.
    virtual CallResult save_config(std::vector<std::byte>& target) {
        target.clear();
        return CallResult::success();
    }
    virtual CallResult load_config(std::span<const std::byte> source) {
        if (source.empty()) return CallResult::success();
        return CallResult::failure(std::errc::invalid_argument, "the device takes no config state");
    }

    /// As Device::reset().
    virtual CallResult reset() = 0;
    /// As Device::interrupt(): makes a call that blocks in another thread return soon with
    /// std::errc::operation_canceled, and those after it, until the next set_state() or reset();
    /// state() and reset() are never answered so.
    virtual void interrupt() noexcept {}
};

/// The device as the engine knows devices: its traits are `chunked`, without P2P, of kind "region".
/// Each read() gives one chunk, and each write() takes one, of the size and in the order in which
/// the other end's device gave it, as the uAPI demands; so the state goes down the main channel.
/// Limits:    a chunk is at most as large as the packet size of the migration, else read() fails.
[[nodiscard]] std::shared_ptr<Device> make_region_adapter(std::shared_ptr<RegionDevice> device);

}  // namespace multifd
