// What of this host could be migrated as a VFIO device, and how to make it one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/devices/vfio/vfio_location.hpp"

namespace multifd {

struct VfioCandidate {
    std::string name;       ///< PCI address, or a mediated device's UUID, or a type of such.
    std::string driver;     ///< That it is bound to; empty when to none.
    std::string suggested;  ///< The VFIO driver for this device, where the kernel has one.
    bool ready = false;     ///< A VFIO driver has it: `--device vfio` can try it.
    /// For a root shell: what makes it ready. For one that is: its part of --device.
    std::string next;
};

/// The file that says which driver is for which device; empty when it cannot be read.
std::string read_module_aliases(const std::string& kernel_release);

/// PCI functions that a VFIO driver has, or for which the kernel has one of their own (the generic
/// vfio-pci migrates nothing); mediated devices, and types from which they can be made. By name.
/// `aliases` is the text of modules.alias.
std::vector<VfioCandidate> find_vfio_candidates(std::string_view aliases,
                                                const VfioRoots& roots = {});

}  // namespace multifd
