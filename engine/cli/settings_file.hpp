// A configuration file: the same options and devices as on the command line, in TOML.
#pragma once

#include <string>
#include <vector>

#include "engine/cli/command_options.hpp"
#include "engine/devices/device_options.hpp"

namespace multifd {

struct ConfiguredOption {
    const CommandOption* option = nullptr;
    std::string value;  ///< As it would stand on the command line.
    std::string where;  ///< "source.toml:12", for messages.
};

struct ConfiguredDevice {
    DeviceSpec spec;
    std::string where;
};

struct SettingsFile {
    std::vector<ConfiguredOption> options;
    std::vector<ConfiguredDevice> devices;
};

/// Reads `path` for `subcommand`. Top-level keys are the long names of the options that may stand
/// in a file, where one that may be repeated takes a list too; those for one end alone stand in a
/// table [send] or [receive]. Each [[device]] table has `kind` and the keys of that kind. Numbers
/// and booleans may be written as such. Throws UsageError that begins with file and line.
SettingsFile read_settings_file(const std::string& path, Subcommand subcommand);

}  // namespace multifd
