// What <linux/vfio.h> of Debian 12 (Linux 6.1) lacks of the VFIO uAPI, under names of our own, so
// that a newer header does not collide. Numbers and layouts: Linux 6.12, include/uapi/linux/vfio.h
// and include/uapi/linux/iommufd.h. All structures are in host byte order.
#pragma once

#include <linux/ioctl.h>
#include <linux/vfio.h>

#include <cstdint>

namespace multifd::vfio_uapi {

/// Flag of VFIO_DEVICE_FEATURE_MIGRATION: the device has PRE_COPY (Linux 6.2).
inline constexpr std::uint64_t kMigrationPreCopy = 1U << 2U;

/// VFIO_DEVICE_FEATURE_MIG_DATA_SIZE (Linux 6.2): u64, what STOP_COPY would give.
inline constexpr std::uint32_t kFeatureMigrationDataSize = 9;

/// VFIO_MIG_GET_PRECOPY_INFO (Linux 6.2), on the data descriptor.
inline constexpr unsigned long kGetPreCopyInfo = _IO(VFIO_TYPE, VFIO_BASE + 21);
struct PreCopyInfo {
    std::uint32_t argsz = sizeof(PreCopyInfo);
    std::uint32_t flags = 0;
    std::uint64_t initial_bytes = 0;
    std::uint64_t dirty_bytes = 0;
};
static_assert(sizeof(PreCopyInfo) == 24);

/// VFIO_DEVICE_BIND_IOMMUFD (Linux 6.6), on a device opened through its cdev.
inline constexpr unsigned long kBindIommufd = _IO(VFIO_TYPE, VFIO_BASE + 18);
struct BindIommufd {
    std::uint32_t argsz = sizeof(BindIommufd);
    std::uint32_t flags = 0;
    std::int32_t iommufd = -1;
    std::uint32_t device_id = 0;  ///< Written by the kernel.
};
static_assert(sizeof(BindIommufd) == 16);

/// VFIO_DEVICE_ATTACH_IOMMUFD_PT (Linux 6.6), on a device that is bound.
inline constexpr unsigned long kAttachIommufd = _IO(VFIO_TYPE, VFIO_BASE + 19);
struct AttachIommufd {
    std::uint32_t argsz = sizeof(AttachIommufd);
    std::uint32_t flags = 0;
    std::uint32_t page_table_id = 0;
};
static_assert(sizeof(AttachIommufd) == 12);

/// IOMMU_IOAS_ALLOC (Linux 6.2), on /dev/iommu: an empty I/O address space.
inline constexpr unsigned long kAllocateAddressSpace = _IO(';', 0x81);
struct AllocateAddressSpace {
    std::uint32_t size = sizeof(AllocateAddressSpace);
    std::uint32_t flags = 0;
    std::uint32_t address_space_id = 0;  ///< Written by the kernel.
};
static_assert(sizeof(AllocateAddressSpace) == 12);

}  // namespace multifd::vfio_uapi
