#include "engine/devices/option_reader.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "channels/wire/limits.hpp"
#include "engine/text/nearest_name.hpp"
#include "engine/text/quantity.hpp"

namespace multifd {
namespace {

constexpr std::array<std::string_view, 4> kCommonKeys{"idstr", "instance-id", "multifd", "state"};

std::string joined(std::span<const std::string_view> names) {
    std::string text;
    for (const std::string_view name : names) text.append(text.empty() ? "" : ", ").append(name);
    return text;
}

bool within(OptionRange range, std::optional<std::uint64_t> value) {
    return value && *value >= range.least && *value <= range.most;
}

}  // namespace

OptionReader::OptionReader(const DeviceSpec& spec, std::span<const std::string_view> keys)
    : spec_(spec) {
    std::vector<std::string_view> known(kCommonKeys.begin(), kCommonKeys.end());
    known.insert(known.end(), keys.begin(), keys.end());
    for (auto option = spec.values.begin(); option != spec.values.end(); ++option) {
        const std::string& key = option->first;
        if (std::ranges::find(known, key) == known.end()) {
            refuse(std::string("unknown key \"")
                       .append(key)
                       .append("\" (value \"")
                       .append(option->second)
                       .append("\"); nearest is \"")
                       .append(nearest_name(key, known))
                       .append("\"; allowed: ")
                       .append(joined(known)));
        }
        const auto same_key = [&key](const auto& earlier) { return earlier.first == key; };
        if (std::any_of(spec.values.begin(), option, same_key)) {
            refuse("key \"" + key + "\" is given twice, the second time as \"" + option->second +
                   "\"; once is allowed");
        }
    }
}

std::optional<std::string_view> OptionReader::text(std::string_view key) const {
    for (const auto& [name, value] : spec_.values) {
        if (name == key) return value;
    }
    return std::nullopt;
}

std::optional<std::uint64_t> OptionReader::size(std::string_view key, OptionRange range) const {
    const auto value = text(key);
    if (!value) return std::nullopt;
    const auto parsed = parse_size(*value);
    if (within(range, parsed)) return parsed;
    refuse(key, format_size(range.least) + " to " + format_size(range.most) + " (" +
                    std::string(kSizeForm) + ")");
}

std::optional<std::uint64_t> OptionReader::rate(std::string_view key, OptionRange range) const {
    const auto value = text(key);
    if (!value) return std::nullopt;
    const auto parsed = parse_rate(*value);
    if (within(range, parsed)) return parsed;
    refuse(key, format_size(range.least) + " to " + format_rate(range.most) + " (" +
                    std::string(kRateForm) + ")");
}

std::optional<std::uint64_t> OptionReader::count(std::string_view key, OptionRange range) const {
    const auto value = text(key);
    if (!value) return std::nullopt;
    const auto parsed = parse_count(*value);
    if (within(range, parsed)) return parsed;
    refuse(key, std::to_string(range.least) + " to " + std::to_string(range.most));
}

std::optional<bool> OptionReader::flag(std::string_view key) const {
    const auto value = text(key);
    if (!value) return std::nullopt;
    if (*value == "on") return true;
    if (*value == "off") return false;
    refuse(key, "on or off");
}

DeviceState OptionReader::initial_state() const {
    const std::string_view value = text("state").value_or("running");
    if (value == "running") return DeviceState::running;
    if (value == "stop") return DeviceState::stop;
    refuse("state", "running or stop");
}

DeviceEntry OptionReader::common() const {
    DeviceEntry entry;
    const auto idstr = text("idstr");
    if (!idstr) refuse("key \"idstr\" is required: the name of the device at both ends");
    if (idstr->empty() || idstr->size() > limits::kIdstrBytesMax ||
        idstr->find('\0') != std::string_view::npos) {
        refuse("idstr", "1 to " + std::to_string(limits::kIdstrBytesMax) + " bytes");
    }
    entry.idstr = *idstr;
    entry.instance_id = static_cast<std::uint32_t>(
        count("instance-id", {0, std::numeric_limits<std::uint32_t>::max()}).value_or(0));
    const std::string_view multifd = text("multifd").value_or("auto");
    if (multifd == "on") {
        entry.multifd = MultifdProperty::on;
    } else if (multifd == "off") {
        entry.multifd = MultifdProperty::off;
    } else if (multifd != "auto") {
        refuse("multifd", "on, off or auto");
    }
    return entry;
}

void OptionReader::refuse(std::string_view key, std::string_view allowed) const {
    refuse(std::string(key)
               .append("=")
               .append(text(key).value_or(""))
               .append(" is not allowed: ")
               .append(allowed));
}

void OptionReader::refuse(std::string_view message) const {
    std::string line = "device " + spec_.kind;
    const auto idstr = text("idstr");
    if (idstr && !idstr->empty()) line.append(" \"").append(*idstr).append("\"");
    line.append(": ").append(message);
    // A line is a line, whatever bytes a value has.
    std::ranges::replace_if(
        line, [](unsigned char letter) { return letter < 0x20 || letter == 0x7f; }, '?');
    throw UsageError(line);
}

}  // namespace multifd
