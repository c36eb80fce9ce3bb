// What a setting was in the end, and where that came from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "multifd/report.hpp"

namespace multifd {

enum class SettingOrigin { default_value, config_file, command_line, agreed };

/// "default", "config-file", "command-line", "agreed": as reports print them.
std::string_view to_string(SettingOrigin origin) noexcept;

/// Sizes are bytes and times milliseconds.
using SettingValue = std::variant<bool, std::uint64_t, std::string, std::vector<std::string>>;

struct EffectiveSetting {
    std::string name;  ///< The long option's, without its dashes.
    SettingValue value;
    SettingOrigin origin = SettingOrigin::default_value;
};

/// What the ends agreed on takes the place of what this end asked for.
void apply_agreed(std::vector<EffectiveSetting>& settings,
                  const std::vector<AgreedSetting>& agreed);

}  // namespace multifd
