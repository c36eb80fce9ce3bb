#include "engine/cli/check/choices.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "engine/devices/device_options.hpp"
#include "engine/text/nearest_name.hpp"
#include "engine/text/quantity.hpp"
#include "multifd/conformance.hpp"

namespace multifd::checking {
namespace {

constexpr std::array kEvents{CheckEvent::source_running, CheckEvent::source_resumed,
                             CheckEvent::destination_loaded, CheckEvent::destination_running,
                             CheckEvent::failed};

std::vector<std::string_view> event_names() {
    std::vector<std::string_view> names;
    names.reserve(kEvents.size());
    for (const CheckEvent event : kEvents) names.push_back(to_string(event));
    return names;
}

std::string list_of(const std::vector<std::string_view>& names) {
    std::string list;
    for (const std::string_view name : names) {
        list.append(list.empty() ? "" : ", ").append(name);
    }
    return list;
}

std::optional<std::uint64_t> parse_address(std::string_view text) {
    const bool hexadecimal = text.starts_with("0x");
    if (hexadecimal) text.remove_prefix(2);
    std::uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

EventCommand read_event_command(std::string_view text) {
    const std::size_t equals = text.find('=');
    const std::string_view event = text.substr(0, equals);
    const auto names = event_names();
    if (std::ranges::find(names, event) == names.end()) {
        throw UsageError("names no event; EVENT=COMMAND is allowed, with " + list_of(names));
    }
    if (equals == std::string_view::npos || equals + 1 == text.size()) {
        throw UsageError("has no command; EVENT=COMMAND is allowed");
    }
    return {std::string(event), std::string(text.substr(equals + 1))};
}

DmaRange read_dma_range(std::string_view text) {
    const std::size_t colon = text.find(':');
    const auto address = parse_address(text.substr(0, colon));
    const auto size =
        colon == std::string_view::npos ? std::nullopt : parse_size(text.substr(colon + 1));
    const bool fits = address && size && *size != 0 && *size - 1 <= ~*address;
    if (!fits) throw UsageError("is not a range; ADDRESS:SIZE is allowed, as in 0x100000:64MiB");
    constexpr std::uint64_t kBytesMax = kCheckedDmaPagesMax * kCheckedDmaPageBytes;
    if (*size > kBytesMax) {
        throw UsageError("is too large; one range may have " + format_size(kBytesMax) +
                         ", and there may be several");
    }
    return {*address, *size};
}

std::uint64_t read_max_state(std::string_view text) {
    const auto size = parse_size(text);
    if (!size || *size == 0) {
        throw UsageError("is no size; at least 1 is allowed, in " + std::string(kSizeForm));
    }
    return *size;
}

std::string read_item(std::string_view text) {
    std::vector<std::string_view> names;
    for (const CheckItem& item : check_items()) names.push_back(item.name);
    if (std::ranges::find(names, text) == names.end()) {
        throw UsageError("is no item; nearest is " + std::string(nearest_name(text, names)) +
                         ", and check --help lists them");
    }
    return std::string(text);
}

}  // namespace multifd::checking
