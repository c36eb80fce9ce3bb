#include "engine/devices/vfio/vfio_options.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "engine/devices/vfio/vfio_device.hpp"

namespace multifd {
namespace {

constexpr std::array<std::string_view, 5> kKeys{"host", "sysfsdev", "cdev", "config", "precopy"};
constexpr std::array<std::string_view, 3> kPlaces{"host", "sysfsdev", "cdev"};

VfioConfig read_config(const OptionReader& reader) {
    const auto wish = reader.flag("config");
    if (!wish) return VfioConfig::automatic;
    return *wish ? VfioConfig::on : VfioConfig::off;
}

}  // namespace

std::span<const std::string_view> vfio_keys() noexcept {
    return kKeys;
}

VfioLocation read_vfio_location(const OptionReader& reader, const VfioRoots& roots) {
    const auto given = [&](std::string_view key) { return reader.text(key).has_value(); };
    if (std::ranges::count_if(kPlaces, given) != 1) {
        reader.refuse(
            "one of the keys host=ADDRESS, sysfsdev=PATH and cdev=PATH is required: where the "
            "device is");
    }
    const std::string_view key = *std::ranges::find_if(kPlaces, given);
    const std::string_view value = *reader.text(key);
    try {
        if (key == "host") return locate_pci(value, roots);
        if (key == "sysfsdev") return locate_sysfs(value, roots);
        return locate_cdev(value, roots);
    } catch (const std::runtime_error& error) {
        reader.refuse(error.what());
    }
}

std::shared_ptr<Device> open_vfio_device(const OptionReader& reader,
                                         const std::shared_ptr<VfioCalls>& calls,
                                         const VfioRoots& roots) {
    if (reader.text("state")) {
        reader.refuse(
            "key \"state\" is for synthetic devices; a VFIO device is in the state it is");
    }
    const VfioSettings settings{.config = read_config(reader),
                                .pre_copy = reader.flag("precopy").value_or(true)};
    const VfioLocation location = read_vfio_location(reader, roots);
    try {
        return std::make_shared<VfioDevice>(calls, attach_vfio(calls, location), settings);
    } catch (const std::runtime_error& error) {
        reader.refuse(error.what());
    }
}

}  // namespace multifd
