// Where a VFIO device is: from what users write to the nodes under /dev that open it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace multifd {

/// Where sysfs and devtmpfs are mounted; tests put folders of their own there.
struct VfioRoots {
    std::filesystem::path sys = "/sys";
    std::filesystem::path dev = "/dev";
};

/// One device of this host. Paths are empty where the host has no such node.
struct VfioLocation {
    std::string name;     ///< What its group calls it: "0000:3b:00.2", or a mediated device's UUID.
    std::string sysfs;    ///< Its folder, without links.
    std::string driver;   ///< That it is bound to; empty when to none.
    std::string cdev;     ///< "/dev/vfio/devices/vfio0"; only with iommufd, which it needs.
    std::string group;    ///< "/dev/vfio/12".
    std::string iommufd;  ///< "/dev/iommu", with `cdev`.

    [[nodiscard]] bool can_open() const noexcept { return !cdev.empty() || !group.empty(); }
};

// All throw std::runtime_error with one line: what is not there, and what to do about it.

/// A PCI function by its address, "0000:3b:00.2" or "3b:00.2".
VfioLocation locate_pci(std::string_view address, const VfioRoots& roots = {});
/// A device by its folder in sysfs.
VfioLocation locate_sysfs(const std::filesystem::path& folder, const VfioRoots& roots = {});
/// A device by its character device.
VfioLocation locate_cdev(const std::filesystem::path& cdev, const VfioRoots& roots = {});

/// The commands, as one line for a root shell, that give a PCI function to `driver`.
std::string bind_command(std::string_view address, std::string_view driver);

}  // namespace multifd
