// VfioAttachment: an open VFIO device, with all that must stay open beside it.
#pragma once

#include <memory>
#include <string>

#include "engine/devices/vfio/vfio_calls.hpp"
#include "engine/devices/vfio/vfio_location.hpp"

namespace multifd {

/// How the device was opened.
enum class VfioInterface {
    cdev,        ///< Its character device, bound to an iommufd.
    group,       ///< Its group, in a container of its own.
    descriptor,  ///< Handed over open; whoever did so keeps what is beside it.
};

/// Ownership: owns every descriptor, and closes the device before what it depends on.
struct VfioAttachment {
    VfioInterface interface = VfioInterface::descriptor;
    std::string name;       ///< For messages.
    VfioDescriptor iommu;   ///< The iommufd or the container.
    VfioDescriptor group;   ///< With VfioInterface::group.
    VfioDescriptor device;  ///< Declared last, so closed first.
};

/// Opens the device: through its character device where the host has one and iommufd, else through
/// its group. The I/O address space stays empty, so the device reaches no memory of this process.
/// Throws std::runtime_error with one line: the step that failed, why, and what to do.
VfioAttachment attach_vfio(const std::shared_ptr<VfioCalls>& calls, const VfioLocation& location);

/// "cdev", "group", "descriptor".
std::string_view to_string(VfioInterface interface) noexcept;

}  // namespace multifd
