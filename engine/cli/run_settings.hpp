// The settings of one run: defaults, then the configuration file, then the command line.
#pragma once

#include <string>
#include <vector>

#include "engine/cli/arguments.hpp"
#include "engine/cli/command_options.hpp"
#include "engine/cli/effective_setting.hpp"
#include "engine/devices/device_options.hpp"

namespace multifd {

/// A device and where it was asked for, for messages: "--device memory,..." or "source.toml:12".
struct DescribedDevice {
    DeviceSpec spec;
    std::string where;
};

struct RunSettings {
    CommandSettings command;
    std::vector<DescribedDevice> devices;
    std::vector<EffectiveSetting> effective;

    /// What --log-level, -q and -v come to.
    [[nodiscard]] LogChoice log_choice() const noexcept;
};

/// Settles every option of `arguments`, reading the configuration file if one is named. Devices on
/// the command line take the place of all devices of the file. Throws UsageError.
RunSettings settle(const Arguments& arguments);

/// Throws UsageError, naming where the device was asked for.
std::vector<DeviceEntry> make_devices(const RunSettings& settings, Role role);

}  // namespace multifd
