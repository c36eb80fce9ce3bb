#include "engine/devices/device_options.hpp"

#include <array>
#include <map>
#include <new>

#include "channels/wire/ids.hpp"
#include "engine/devices/file_device.hpp"
#include "engine/devices/hidden_files.hpp"
#include "engine/devices/memory_device.hpp"
#include "engine/devices/memory_options.hpp"
#include "engine/devices/option_reader.hpp"
#include "engine/devices/vfio/vfio_options.hpp"
#include "engine/devices/vfio_user/vfio_user_device.hpp"
#include "engine/text/nearest_name.hpp"

namespace multifd {
namespace {

/// Splits at single commas; a doubled one is a comma of the value.
std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> elements(1);
    for (std::size_t index = 0; index < text.size(); ++index) {
        if (text[index] != ',') {
            elements.back().push_back(text[index]);
        } else if (index + 1 < text.size() && text[index + 1] == ',') {
            elements.back().push_back(',');
            ++index;
        } else {
            elements.emplace_back();
        }
    }
    return elements;
}

std::pair<std::string, std::string> split_option(const std::string& element) {
    const std::size_t equals = element.find('=');
    if (equals == std::string::npos) return {element, "on"};
    return {element.substr(0, equals), element.substr(equals + 1)};
}

DeviceEntry make_memory_device(const DeviceSpec& spec, Role role) {
    const OptionReader reader(spec, memory_keys());
    DeviceEntry entry = reader.common();
    try {
        entry.device = std::make_shared<MemoryDevice>(read_memory_options(reader, role));
    } catch (const std::bad_alloc&) {
        reader.refuse("size", "with held=on or lend=on no more than there is memory");
    }
    return entry;
}

DeviceEntry make_file_device(const DeviceSpec& spec, Role role) {
    const OptionReader reader(spec, file_keys());
    DeviceEntry entry = reader.common();
    entry.device = std::make_shared<FileDevice>(read_file_options(reader, role));
    return entry;
}

DeviceEntry make_vfio_device(const DeviceSpec& spec, Role /*role*/) {
    const OptionReader reader(spec, vfio_keys());
    DeviceEntry entry = reader.common();
    entry.device = open_vfio_device(reader, kernel_vfio_calls());
    return entry;
}

DeviceEntry make_vfio_user_device(const DeviceSpec& spec, Role) {
    const OptionReader reader(spec, vfio_user::device_keys());
    DeviceEntry entry = reader.common();
    const auto device =
        std::make_shared<vfio_user::VfioUserDevice>(vfio_user::read_device_options(reader));
    const CallResult opened = device->open();
    if (!opened.ok()) reader.refuse(opened.detail);
    entry.device = device;
    return entry;
}

using Factory = DeviceEntry (*)(const DeviceSpec&, Role);

constexpr std::array<std::string_view, 4> kKinds{"memory", "file", "vfio", "vfio-user"};
constexpr std::array<std::pair<std::string_view, Factory>, kKinds.size()> kFactories{
    {{kKinds[0], make_memory_device},
     {kKinds[1], make_file_device},
     {kKinds[2], make_vfio_device},
     {kKinds[3], make_vfio_user_device}}};

std::vector<FileTarget> targets_of(const DeviceEntry& entry) {
    const auto* device = dynamic_cast<const FileDevice*>(entry.device.get());
    return device != nullptr ? device->targets() : std::vector<FileTarget>();
}

std::string line_of(const LeftoverFile& leftover, const std::string& path) {
    if (leftover.removed) {
        return "removed " + leftover.path +
               ", an incomplete state that a run left when it was killed";
    }
    return leftover.path + " was left by a run that was killed before its devices ran: a whole " +
           "file that changed places with " + path +
           ", or was about to; keep the right one of the two and remove the other";
}

}  // namespace

DeviceSpec parse_device_spec(std::string_view text) {
    DeviceSpec spec;
    for (const std::string& element : split(text)) {
        if (element.empty()) {
            throw UsageError("device \"" + std::string(text) +
                             "\": empty option; KIND,key=value,... is allowed, and ,, for a comma "
                             "in a value");
        }
        auto option = split_option(element);
        const bool first = spec.kind.empty();
        if (first && element.find('=') == std::string::npos) {
            spec.kind = element;
        } else if (first && option.first == "kind" && !option.second.empty()) {
            spec.kind = option.second;
        } else if (first || option.first.empty()) {
            throw UsageError("device \"" + std::string(text) + "\": \"" + element +
                             "\" cannot stand there; KIND,key=value,... is allowed");
        } else {
            spec.values.push_back(std::move(option));
        }
    }
    return spec;
}

std::span<const std::string_view> device_kinds() noexcept {
    return kKinds;
}

DeviceEntry make_device(const DeviceSpec& spec, Role role) {
    for (const auto& [name, make] : kFactories) {
        if (name == spec.kind) return make(spec, role);
    }
    std::string kinds;
    for (const auto name : kKinds) kinds.append(kinds.empty() ? "" : ", ").append(name);
    throw UsageError("device kind \"" + spec.kind + "\" is unknown; nearest is \"" +
                     std::string(nearest_name(spec.kind, kKinds)) + "\"; allowed: " + kinds);
}

std::vector<std::string> clear_leftovers(std::span<const DeviceEntry> devices) {
    std::vector<std::string> lines;
    for (const DeviceEntry& entry : devices) {
        for (const FileTarget& target : targets_of(entry)) {
            for (const LeftoverFile& leftover : clear_leftovers(target.path)) {
                lines.push_back(line_of(leftover, target.path));
            }
        }
    }
    return lines;
}

void check_distinct_files(std::span<const DeviceEntry> devices) {
    std::map<std::string, DeviceIdentity> writers;
    for (const DeviceEntry& entry : devices) {
        const DeviceIdentity identity{entry.idstr, entry.instance_id};
        for (const FileTarget& target : targets_of(entry)) {
            const auto [writer, first] = writers.emplace(target.key, identity);
            if (first) continue;
            throw UsageError("devices " + to_string(writer->second) + " and " +
                             to_string(identity) + " would both write " + target.path +
                             ": give one of them another path or config");
        }
    }
}

}  // namespace multifd
