// A VFIO device that the embedding program has opened, as a Device.
#pragma once

#include <memory>
#include <string>

#include "multifd/device.hpp"

namespace multifd {

struct VfioDeviceOptions {
    std::string name = "vfio device";  ///< For messages: its PCI address, say.
    /// Whether its PCI configuration space is its config state. A VMM that has the guest's view of
    /// it saves and restores that itself, as a section of its host program, and sets false.
    bool config = true;
};

/// A Device that migrates through Linux's VFIO migration uAPI, version 2.
/// Ownership: `descriptor` is the open device (of VFIO_GROUP_GET_DEVICE_FD, or its cdev bound to an
///            iommufd); it is duplicated, the caller's stays the caller's. What must stay open
///            beside it (group and container, or the iommufd) outlives the Device.
/// Errors:    throws std::invalid_argument when it is no VFIO device or cannot migrate, and
///            std::system_error when the process has no descriptor left.
std::shared_ptr<Device> make_vfio_device(int descriptor, const VfioDeviceOptions& options = {});

}  // namespace multifd
