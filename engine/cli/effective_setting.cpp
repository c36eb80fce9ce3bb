#include "engine/cli/effective_setting.hpp"

#include <algorithm>

namespace multifd {
namespace {

SettingValue value_of(const AgreedSetting& agreement) {
    if (agreement.text.empty()) return agreement.value;
    return std::string(agreement.text);
}

}  // namespace

std::string_view to_string(SettingOrigin origin) noexcept {
    switch (origin) {
        case SettingOrigin::default_value:
            return "default";
        case SettingOrigin::config_file:
            return "config-file";
        case SettingOrigin::command_line:
            return "command-line";
        case SettingOrigin::agreed:
            return "agreed";
    }
    return "default";
}

void apply_agreed(std::vector<EffectiveSetting>& settings,
                  const std::vector<AgreedSetting>& agreed) {
    for (const AgreedSetting& agreement : agreed) {
        const auto found = std::ranges::find(settings, agreement.name, &EffectiveSetting::name);
        if (found == settings.end()) {
            settings.push_back(
                {std::string(agreement.name), value_of(agreement), SettingOrigin::agreed});
            continue;
        }
        // As asked: then it came from where it came from.
        if (const auto* word = std::get_if<std::string>(&found->value); !agreement.text.empty()) {
            if (word != nullptr && *word == agreement.text) continue;
            found->value = std::string(agreement.text);
            found->origin = SettingOrigin::agreed;
            continue;
        }
        if (const bool* asked = std::get_if<bool>(&found->value)) {
            if (*asked == (agreement.value != 0)) continue;
            found->value = agreement.value != 0;
        } else {
            const auto* number = std::get_if<std::uint64_t>(&found->value);
            if (number != nullptr && *number == agreement.value) continue;
            found->value = agreement.value;
        }
        found->origin = SettingOrigin::agreed;
    }
}

}  // namespace multifd
