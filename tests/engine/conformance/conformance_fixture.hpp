// A check over devices described as on a command line.
#pragma once

#include <memory>
#include <string>

#include "engine/devices/device_options.hpp"
#include "multifd/conformance.hpp"
#include "tests/engine/conformance/altered_device.hpp"

namespace multifd::test {

inline std::shared_ptr<Device> make_checked(const std::string& options, Role role) {
    return make_device(parse_device_spec(options), role).device;
}

/// Two memory devices with these options.
inline CheckedDevices memory_pair(const std::string& options) {
    const std::string text = "memory,idstr=gpu0" + (options.empty() ? "" : "," + options);
    return {make_checked(text, Role::source), make_checked(text, Role::destination)};
}

inline CheckedDevices one_memory_device(const std::string& options) {
    const auto device = memory_pair(options).source;
    return {device, device};
}

/// Few pages, the last of a word beyond them, so that a bit too much can be seen.
inline CheckSettings quick_settings() {
    CheckSettings settings;
    settings.call_timeout = std::chrono::seconds(20);
    settings.dma_ranges = {{0, std::uint64_t{100} * 4096}};
    return settings;
}

inline const CheckedItem& item_of(const CheckReport& report, std::string_view name) {
    for (const CheckedItem& item : report.items) {
        if (item.item.name == name) return item;
    }
    throw std::out_of_range("no such item");
}

/// For INFO.
inline std::string describe(const CheckReport& report) {
    std::string text;
    for (const CheckedItem& item : report.items) {
        text += std::string(item.item.name) + " " + std::string(to_string(item.result)) + ": " +
                item.reason + "\n";
    }
    return text;
}

}  // namespace multifd::test
