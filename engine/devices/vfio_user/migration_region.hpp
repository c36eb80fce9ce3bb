// MigrationRegion: the migration region of the older interface, VFIO migration v1. Sans-I/O.
//
// Source: struct vfio_device_migration_info of <linux/vfio.h> up to 5.17, and the vfio-user
// specification of that time. The region, in the byte order of the host:
//
//      0  u32 device_state   bit 0 RUNNING, bit 1 SAVING, bit 2 RESUMING; SAVING|RESUMING is ERROR
//      8  u64 pending_bytes  read only
//     16  u64 data_offset    read only: where in the region the data stands
//     24  u64 data_size
//   4096  the data: a window of 64 KiB
//
// Saving, in rounds: pending_bytes (not 0), data_offset, data_size, the data. The data stays where
// it is, and may be read again and in parts, until pending_bytes is read again; then, if any of the
// data was read, the next comes into the window. Resuming: data_offset, the data, written without
// gaps, then its size to data_size, which hands it over.
#pragma once

#include "engine/devices/vfio_user/served_device.hpp"

namespace multifd::vfio_user {

/// Threads:   the device's.
/// Errors:    as CallResult; nothing has changed then, but for what a device transition leaves.
class MigrationRegion {
  public:
    static constexpr std::uint32_t kIndex = 9;  ///< After those of a PCI device.
    static constexpr std::uint32_t kType = 3;   ///< VFIO_REGION_TYPE_MIGRATION
    static constexpr std::uint32_t kSubtype = 1;
    static constexpr std::size_t kDataOffset = 4096;
    static constexpr std::size_t kWindowBytes = std::size_t{64} << 10U;
    static constexpr std::size_t kBytes = kDataOffset + kWindowBytes;

    explicit MigrationRegion(ServedDevice& device) : device_(device) {}

    /// A register, whole, or any part of the data in the window.
    CallResult read(std::uint64_t offset, std::span<std::byte> target);
    CallResult write(std::uint64_t offset, ConstBytes source);

  private:
    CallResult read_pending_bytes(std::uint64_t& value);
    CallResult offer(std::span<std::byte> target, std::uint64_t value);
    CallResult set_state(std::uint32_t bits);
    CallResult read_register(std::uint64_t offset, std::span<std::byte> target);
    CallResult write_register(std::uint64_t offset, ConstBytes source);
    CallResult hand_over(std::uint64_t size);
    [[nodiscard]] bool resumes() { return device_.state() == DeviceState::resuming; }

    ServedDevice& device_;
    Bytes window_;          ///< What it holds: of the state to give, or as written so far.
    bool offered_ = false;  ///< The client knows of the data in the window.
    bool fetched_ = false;  ///< It has read of it.
};

/// The bits of a state; those of ERROR for ERROR. P2P states are not known here.
[[nodiscard]] std::uint32_t state_bits(DeviceState state) noexcept;
/// The state of these bits; empty for what is none.
[[nodiscard]] std::optional<DeviceState> state_of_bits(std::uint32_t bits) noexcept;

}  // namespace multifd::vfio_user
