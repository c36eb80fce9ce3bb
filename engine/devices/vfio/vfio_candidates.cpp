#include "engine/devices/vfio/vfio_candidates.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

namespace multifd {
namespace {

namespace fs = std::filesystem;

/// Devices of a VFIO driver of their own: what matches, and the module.
using Aliases = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kPrefix = "vfio_pci:";

/// Lines of modules.alias: "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci".
Aliases vfio_aliases(std::string_view text) {
    Aliases aliases;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string kind, pattern, module;
        words >> kind >> pattern >> module;
        if (kind != "alias" || !pattern.starts_with(kPrefix)) continue;
        // The generic driver is for every device, and migrates none.
        if (module == "vfio_pci" || module == "vfio-pci") continue;
        aliases.emplace_back(pattern.substr(kPrefix.size()), module);
    }
    return aliases;
}

std::string first_line(const fs::path& file) {
    std::ifstream stream(file);
    std::string line;
    std::getline(stream, line);
    return line;
}

std::string link_name(const fs::path& link) {
    std::error_code error;
    const fs::path target = fs::read_symlink(link, error);
    return error ? std::string() : target.filename().string();
}

std::vector<fs::path> entries_of(const fs::path& folder) {
    std::vector<fs::path> entries;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) entries.push_back(entry.path());
    std::ranges::sort(entries);
    return entries;
}

std::string driver_for(const fs::path& function, const Aliases& aliases) {
    const std::string alias = first_line(function / "modalias");
    const std::string own = alias.substr(std::min<std::size_t>(alias.find(':') + 1, alias.size()));
    const auto matches = [&own](const auto& known) {
        return ::fnmatch(known.first.c_str(), own.c_str(), 0) == 0;
    };
    const auto found = std::ranges::find_if(aliases, matches);
    return found == aliases.end() ? std::string() : found->second;
}

void add_pci_functions(std::vector<VfioCandidate>& candidates, const Aliases& aliases,
                       const VfioRoots& roots) {
    for (const fs::path& function : entries_of(roots.sys / "bus/pci/devices")) {
        VfioCandidate found;
        found.name = function.filename().string();
        found.driver = link_name(function / "driver");
        found.suggested = driver_for(function, aliases);
        std::error_code error;
        found.ready = fs::exists(function / "vfio-dev", error);
        if (!found.ready && found.suggested.empty()) continue;
        found.next = found.ready ? "vfio,idstr=NAME,host=" + found.name
                                 : bind_command(found.name, found.suggested);
        candidates.push_back(std::move(found));
    }
}

void add_mediated_devices(std::vector<VfioCandidate>& candidates, const VfioRoots& roots) {
    for (const fs::path& device : entries_of(roots.sys / "bus/mdev/devices")) {
        candidates.push_back({.name = device.filename().string(),
                              .driver = link_name(device / "driver"),
                              .suggested = {},
                              .ready = true,
                              .next = "vfio,idstr=NAME,sysfsdev=" + device.string()});
    }
    for (const fs::path& parent : entries_of(roots.sys / "class/mdev_bus")) {
        for (const fs::path& type : entries_of(parent / "mdev_supported_types")) {
            candidates.push_back(
                {.name = type.filename().string() + " of " + parent.filename().string(),
                 .driver = link_name(parent / "driver"),
                 .suggested = {},
                 .ready = false,
                 .next = "cat /proc/sys/kernel/random/uuid > " + (type / "create").string()});
        }
    }
}

}  // namespace

std::string read_module_aliases(const std::string& kernel_release) {
    std::ifstream file("/lib/modules/" + kernel_release + "/modules.alias");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<VfioCandidate> find_vfio_candidates(std::string_view aliases, const VfioRoots& roots) {
    std::vector<VfioCandidate> candidates;
    add_pci_functions(candidates, vfio_aliases(aliases), roots);
    add_mediated_devices(candidates, roots);
    return candidates;
}

}  // namespace multifd
