// Device: the seam between the engine and whatever has migratable state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace multifd {

/// Migration states, numbered as `enum vfio_device_mig_state` in Linux `<linux/vfio.h>`.
///
///     source        RUNNING -> PRE_COPY -> PRE_COPY_P2P -> STOP_COPY -> STOP
///     no pre-copy   RUNNING -> RUNNING_P2P -> STOP -> STOP_COPY -> STOP
///     destination   (any) -> RESUMING -> STOP -> RUNNING_P2P -> RUNNING
///
/// A device without P2P skips the two P2P states.
enum class DeviceState : std::uint32_t {
    error = 0,  ///< Only reset() leaves it.
    stop = 1,   ///< Quiet; holds its state.
    running = 2,
    stop_copy = 3,    ///< Quiet; read() gives the state until it returns 0.
    resuming = 4,     ///< Quiet; write() takes the state.
    running_p2p = 5,  ///< Runs, but starts no DMA to other devices.
    pre_copy = 6,     ///< Runs; read() gives what changed.
    pre_copy_p2p = 7,
};

/// "running", "stop-copy", "pre-copy-p2p", ...: as reports print them.
std::string_view to_string(DeviceState state) noexcept;

/// What one device call did: a value, or an error with words for the operator.
struct CallResult {
    std::uint64_t value = 0;  ///< Bytes read or written, or a size; its meaning is the call's.
    std::error_code error;    ///< Any category; false means success.
    std::string detail;       ///< On failure: what, with names and numbers. One line.

    static CallResult success(std::uint64_t value = 0) { return {value, {}, {}}; }
    static CallResult failure(std::error_code error, std::string detail) {
        return {0, error, std::move(detail)};
    }
    static CallResult failure(std::errc error, std::string detail) {
        return {0, std::make_error_code(error), std::move(detail)};
    }
    [[nodiscard]] bool ok() const noexcept { return !error; }
};

/// What a device can do. Constant for the life of the device.
struct DeviceTraits {
    std::string_view kind;     ///< "memory", "file", "vfio", ...; a literal.
    bool p2p = false;          ///< Has RUNNING_P2P (and PRE_COPY_P2P when it has PRE_COPY).
    bool pre_copy = false;     ///< Has PRE_COPY.
    bool peer_dma = false;     ///< May be the target of another device's DMA; see device_lacks_p2p.
    bool lends = false;        ///< lend() gives its state's memory.
    bool dma_logging = false;  ///< Tells which memory it wrote by DMA: the three calls below.
    /// read() gives a chunk of the state, which write() must be given as a whole: its state goes
    /// down the main channel, a DATA_STATE record for each chunk.
    bool chunked = false;
};

/// A stretch of the device's I/O address space, in bytes.
struct DmaRange {
    std::uint64_t iova = 0;
    std::uint64_t size = 0;
};

/// Bytes a device in PRE_COPY would still give. As VFIO_MIG_GET_PRECOPY_INFO.
struct PreCopySizes {
    std::uint64_t initial_bytes = 0;  ///< Must arrive before switchover-ack is meaningful.
    std::uint64_t dirty_bytes = 0;
};

/// One device, as VFIO migration v2 sees it.
///
/// Threads:   the engine makes all calls for one device from one thread of its own, one at a time,
///            except traits(), interrupt() and lend(), which may come from any thread at any time
///            and must not block.
/// Blocking:  every other call may block. While one blocks, the engine may call interrupt(): the
///            blocked call should return soon, with std::errc::operation_canceled. A call that has
///            not returned by the stall timeout is reported, its thread and this object are left
///            behind (the engine keeps its shared_ptr), and the migration fails without waiting.
/// Buffers:   a span is valid only during the call, except what lend() gives.
/// Errors:    by CallResult, or by any exception: both fail the migration, not the process.
class Device {
  public:
    virtual ~Device() = default;

    [[nodiscard]] virtual DeviceTraits traits() const noexcept = 0;

    /// The state the device is in now; after a failed set_state() the engine asks again.
    [[nodiscard]] virtual DeviceState state() = 0;

    /// Brings the device to `target`, over intermediate states where there is no direct arc. On
    /// failure the device is wherever state() says. RESUMING to STOP validates what was written:
    /// failing there rejects the state.
    virtual CallResult set_state(DeviceState target) = 0;

    /// Reads the next bytes of state into `target`; value is how many. In STOP_COPY 0 is the end;
    /// in PRE_COPY 0 means nothing for now. May give fewer bytes than asked before the end.
    virtual CallResult read(std::span<std::byte> target) = 0;

    /// In RESUMING, before anything is written and before the source stops anything: it estimates
    /// `bytes` of state, more than 0; a device that pre-copies may give more. Time to get room for
    /// them, or to fail, which ends the migration. `value` is for how many there is room now: a
    /// call takes no more than some 50 ms, and the next one goes on, as long as that grows. Not
    /// called when there is no estimate; a QEMU source gives none.
    virtual CallResult expect(std::uint64_t bytes) { return CallResult::success(bytes); }

    /// In RESUMING: takes the next bytes of state, all of them.
    virtual CallResult write(std::span<const std::byte> source) = 0;

    /// In STOP_COPY, after the last read(): the config state, at most 1 MiB; empty when there is
    /// none.
    virtual CallResult save_config(std::vector<std::byte>& target) = 0;

    /// In RESUMING, after the last write().
    virtual CallResult load_config(std::span<const std::byte> source) = 0;

    /// In PRE_COPY or PRE_COPY_P2P: what read() would still give. Only for devices with pre_copy.
    virtual CallResult pre_copy_sizes(PreCopySizes& target) {
        target = {};
        return CallResult::success();
    }

    /// An estimate of the bytes STOP_COPY would give now, in `value`; as
    /// VFIO_DEVICE_FEATURE_MIG_DATA_SIZE. 0 also from a device that cannot tell.
    virtual CallResult stop_copy_size() = 0;

    /// Throws all state away and leaves ERROR or RESUMING. Afterwards state() is STOP or RUNNING;
    /// the engine goes on to STOP.
    virtual CallResult reset() = 0;

    /// Begins to record where the device writes by DMA, within `ranges`, a bit for each `page_size`
    /// bytes (a power of two, which the device may round down). As
    /// VFIO_DEVICE_FEATURE_DMA_LOGGING_START.
    virtual CallResult start_dma_logging(std::uint64_t page_size,
                                         std::span<const DmaRange> ranges) {
        static_cast<void>(page_size), static_cast<void>(ranges);
        return CallResult::failure(std::errc::not_supported, "the device logs no DMA");
    }

    /// Sets a bit in `bitmap` for each page of `range` written since the last report, the lowest
    /// bit of the first word for the first page; the device forgets them. Bits already set stay.
    virtual CallResult report_dma_logging(DmaRange range, std::uint64_t page_size,
                                          std::span<std::uint64_t> bitmap) {
        static_cast<void>(range), static_cast<void>(page_size), static_cast<void>(bitmap);
        return CallResult::failure(std::errc::not_supported, "the device logs no DMA");
    }

    virtual CallResult stop_dma_logging() {
        return CallResult::failure(std::errc::not_supported, "the device logs no DMA");
    }

    /// Makes a call that blocks in another thread return soon; sticky until the next set_state()
    /// or reset(). state() and reset() are never answered with operation_canceled.
    virtual void interrupt() noexcept {}

    /// For devices that lend: the memory that holds the state. Never used when the source has
    /// pre-copied the device: its state then comes in order, not by place. On the source valid and
    /// constant in STOP_COPY (read() is then not called); on the destination writable in RESUMING
    /// (for each span filled in order, wrote_lent() is called instead of write()). Empty means: not
    /// now, use the calls.
    [[nodiscard]] virtual std::span<std::byte> lend() noexcept { return {}; }

    /// In RESUMING: the next bytes of state stand in the lent memory, `source`, a part of it.
    virtual CallResult wrote_lent(std::span<const std::byte> source) {
        return CallResult::success(source.size());
    }
};

}  // namespace multifd
