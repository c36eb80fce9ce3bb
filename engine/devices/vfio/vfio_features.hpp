// The migration ioctls of an open VFIO device, as typed calls.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/devices/vfio/vfio_calls.hpp"
#include "multifd/device.hpp"

namespace multifd {

/// What VFIO_DEVICE_FEATURE_MIGRATION says.
struct VfioMigrationSupport {
    bool stop_copy = false;
    bool p2p = false;
    bool pre_copy = false;
};

/// What VFIO_DEVICE_GET_INFO says.
struct VfioDeviceInfo {
    bool pci = false;
    bool reset = false;  ///< Advertised; some drivers reset without it.
    std::uint32_t regions = 0;
};

/// What VFIO_DEVICE_GET_REGION_INFO says.
struct VfioRegion {
    std::uint64_t size = 0;
    std::uint64_t offset = 0;  ///< Of the region in the device's file.
};

/// A value, or the errno why there is none.
template <class T>
struct VfioAnswer {
    T value{};
    int error = 0;
    [[nodiscard]] bool ok() const noexcept { return error == 0; }
};

/// The calls on one device. Each is one ioctl.
/// Ownership: borrows `device`, which outlives this object.
/// Errors:    errno, as the kernel gave it; ENOTTY: the kernel or driver has no such call.
class VfioFeatures {
  public:
    VfioFeatures(VfioCalls& calls, int device) noexcept : calls_(calls), device_(device) {}

    [[nodiscard]] VfioAnswer<VfioDeviceInfo> info() const;
    [[nodiscard]] VfioAnswer<VfioRegion> region(std::uint32_t index) const;
    [[nodiscard]] VfioAnswer<VfioMigrationSupport> migration() const;
    /// A number the uAPI does not define is EPROTO.
    [[nodiscard]] VfioAnswer<DeviceState> state() const;
    /// The data descriptor that came with the state, or -1.
    [[nodiscard]] VfioAnswer<int> set_state(DeviceState target) const;
    /// Bytes that STOP_COPY would give.
    [[nodiscard]] VfioAnswer<std::uint64_t> data_size() const;
    /// 0, or an errno.
    [[nodiscard]] int reset() const;

    [[nodiscard]] bool logs_dma() const;
    /// The page size the driver chose.
    [[nodiscard]] VfioAnswer<std::uint64_t> start_dma_logging(
        std::uint64_t page_size, std::span<const DmaRange> ranges) const;
    [[nodiscard]] int report_dma_logging(DmaRange range, std::uint64_t page_size,
                                         std::span<std::uint64_t> bitmap) const;
    [[nodiscard]] int stop_dma_logging() const;

    /// On a data descriptor, in a pre-copy state.
    [[nodiscard]] VfioAnswer<PreCopySizes> pre_copy_sizes(int data) const;

  private:
    /// VFIO_DEVICE_FEATURE with `payload` after its header, which the kernel may rewrite.
    [[nodiscard]] int feature(std::uint32_t flags, std::span<std::byte> payload) const;

    VfioCalls& calls_;
    int device_;
};

}  // namespace multifd
