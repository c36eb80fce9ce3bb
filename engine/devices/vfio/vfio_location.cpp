#include "engine/devices/vfio/vfio_location.hpp"

#include <regex>
#include <stdexcept>

namespace multifd {
namespace {

namespace fs = std::filesystem;

/// The last part of what `link` points to; empty when there is no such link.
std::string target_name(const fs::path& link) {
    std::error_code error;
    const fs::path target = fs::read_symlink(link, error);
    return error ? std::string() : target.filename().string();
}

std::string existing(const fs::path& path) {
    std::error_code error;
    return fs::exists(path, error) ? path.string() : std::string();
}

/// The name of its character device, "vfio3": a folder that a VFIO driver makes.
std::string cdev_name(const fs::path& folder) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder / "vfio-dev", error)) {
        return entry.path().filename().string();
    }
    return {};
}

void explain_closed(const VfioLocation& found) {
    const bool pci = found.sysfs.find("/pci") != std::string::npos;
    std::string line = found.name;
    line += found.driver.empty() ? " has no driver" : " is bound to " + found.driver;
    line += ", and nothing under /dev/vfio opens it; bind it to a VFIO driver";
    if (pci) line += " that can migrate it (multifd probe names the driver and the command)";
    throw std::runtime_error(line);
}

}  // namespace

VfioLocation locate_sysfs(const fs::path& folder, const VfioRoots& roots) {
    std::error_code error;
    const fs::path real = fs::canonical(folder, error);
    if (error || !fs::is_directory(real, error)) {
        throw std::runtime_error("there is no device at " + folder.string());
    }
    VfioLocation found;
    found.name = real.filename().string();
    found.sysfs = real.string();
    found.driver = target_name(real / "driver");
    const std::string cdev = cdev_name(real);
    if (!cdev.empty()) {
        found.iommufd = existing(roots.dev / "iommu");
        if (!found.iommufd.empty()) found.cdev = existing(roots.dev / "vfio/devices" / cdev);
        if (found.cdev.empty()) found.iommufd.clear();
    }
    const std::string group = target_name(real / "iommu_group");
    if (!group.empty()) found.group = existing(roots.dev / "vfio" / group);
    if (!found.can_open()) explain_closed(found);
    return found;
}

VfioLocation locate_pci(std::string_view address, const VfioRoots& roots) {
    static const std::regex form("([0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]",
                                 std::regex::icase);
    std::string name(address);
    std::smatch parts;
    if (!std::regex_match(name, parts, form)) {
        throw std::runtime_error("\"" + name + "\" is no PCI address; like 0000:3b:00.2");
    }
    if (!parts[1].matched) name = "0000:" + name;
    std::error_code error;
    const fs::path folder = roots.sys / "bus/pci/devices" / name;
    if (!fs::exists(folder, error)) {
        throw std::runtime_error("there is no PCI function " + name + "; lspci -D lists them");
    }
    return locate_sysfs(folder, roots);
}

VfioLocation locate_cdev(const fs::path& cdev, const VfioRoots& roots) {
    const std::string name = cdev.filename().string();
    const fs::path folder = roots.sys / "class/vfio-dev" / name / "device";
    std::error_code error;
    if (!fs::exists(cdev, error)) {
        throw std::runtime_error("there is no " + cdev.string() + "; a kernel with iommufd makes " +
                                 "one for each device of a VFIO driver");
    }
    if (!fs::exists(folder, error)) {
        throw std::runtime_error(cdev.string() + " is no VFIO device: " + folder.string() +
                                 " does not exist");
    }
    VfioLocation found = locate_sysfs(folder, roots);
    if (found.iommufd.empty()) {
        throw std::runtime_error(cdev.string() + " needs /dev/iommu, which is not there");
    }
    found.cdev = cdev.string();
    return found;
}

std::string bind_command(std::string_view address, std::string_view driver) {
    const std::string device = "/sys/bus/pci/devices/" + std::string(address);
    std::string line = "modprobe " + std::string(driver);
    line += "; echo " + std::string(driver) + " > " + device + "/driver_override";
    line += "; [ ! -e " + device + "/driver ] || echo " + std::string(address) + " > " + device +
            "/driver/unbind";
    line += "; echo " + std::string(address) + " > /sys/bus/pci/drivers_probe";
    return line;
}

}  // namespace multifd
