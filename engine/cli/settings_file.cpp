#include "engine/cli/settings_file.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace multifd {
namespace {

constexpr std::size_t kFileBytesMax = 16U << 20U;

std::string place(const std::string& path, const toml::source_region& region) {
    return path + ":" + std::to_string(region.begin.line);
}

/// The value as a user would type it on a command line.
std::string text_of(const toml::node& node, const std::string& where, std::string_view key) {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* number = node.as_integer()) return std::to_string(number->get());
    if (const auto* flag = node.as_boolean()) return flag->get() ? "on" : "off";
    throw UsageError(where + ": " + std::string(key) +
                     " is neither text, a whole number nor a boolean");
}

ConfiguredDevice read_device(const std::string& path, const toml::node& node) {
    ConfiguredDevice device;
    device.where = place(path, node.source());
    const toml::table* table = node.as_table();
    if (table == nullptr)
        throw UsageError(device.where + ": device is not a table: write [[device]]");
    for (const auto& [key, value] : *table) {
        const std::string where = place(path, value.source());
        if (key.str() == "kind") {
            device.spec.kind = text_of(value, where, "kind");
        } else {
            device.spec.values.emplace_back(std::string(key.str()),
                                            text_of(value, where, key.str()));
        }
    }
    if (device.spec.kind.empty()) throw UsageError(device.where + ": the device has no kind");
    return device;
}

void read_devices(const std::string& path, const toml::node& node, SettingsFile& file) {
    const toml::array* tables = node.as_array();
    if (tables == nullptr) {
        throw UsageError(place(path, node.source()) + ": device is not a table: write [[device]]");
    }
    for (const toml::node& table : *tables) file.devices.push_back(read_device(path, table));
}

/// More than one for an option that may be repeated and has a list.
std::vector<ConfiguredOption> read_option(const std::string& path, Subcommand subcommand,
                                          std::string_view key, const toml::node& value) {
    const std::string where = place(path, value.source());
    const CommandOption* option = find_option(subcommand, key);
    if (option == nullptr) throw UsageError(where + ": " + unknown_option_message(subcommand, key));
    if (option->apply == nullptr) {
        throw UsageError(where + ": " + std::string(key) + " cannot stand in a file");
    }
    const toml::array* list = value.as_array();
    if (list == nullptr || !option->repeatable()) {
        return {{option, text_of(value, where, key), where}};
    }
    std::vector<ConfiguredOption> several;
    for (const toml::node& item : *list) {
        const std::string here = place(path, item.source());
        several.push_back({option, text_of(item, here, key), here});
    }
    return several;
}

std::string read_whole(const std::string& path) {
    std::error_code error;
    const auto bytes = std::filesystem::file_size(path, error);
    if (!error && bytes > kFileBytesMax) throw UsageError(path + " is over 16MiB");
    std::ifstream stream(path, std::ios::binary);
    std::ostringstream text;
    if (error || !stream || !(text << stream.rdbuf())) {
        throw UsageError(path + " cannot be read" + (error ? ": " + error.message() : ""));
    }
    return text.str();
}

toml::table parse(const std::string& path) {
    const std::string text = read_whole(path);
    try {
        return toml::parse(text, path);
    } catch (const toml::parse_error& error) {
        std::string reason(error.description());
        std::ranges::replace(reason, '\n', ' ');
        throw UsageError(place(path, error.source()) + ": " + reason);
    }
}

/// The keys in the order of the file: what is wrong first is said first.
std::vector<std::pair<std::string_view, const toml::node*>> in_file_order(
    const toml::table& table) {
    std::vector<std::pair<std::string_view, const toml::node*>> nodes;
    for (const auto& [key, value] : table) nodes.emplace_back(key.str(), &value);
    std::ranges::sort(nodes, {}, [](const auto& entry) {
        const toml::source_position begin = entry.second->source().begin;
        return std::pair(begin.line, begin.column);
    });
    return nodes;
}

std::optional<Subcommand> end_named(std::string_view key) {
    for (const Subcommand end : {Subcommand::send, Subcommand::receive}) {
        if (key == to_string(end)) return end;
    }
    return std::nullopt;
}

/// [send] and [receive]: options of that end, which the other one checks by name and leaves.
void read_section(const std::string& path, Subcommand end, Subcommand subcommand,
                  const toml::node& node, SettingsFile& file) {
    const toml::table* table = node.as_table();
    if (table == nullptr) {
        const std::string name(to_string(end));
        throw UsageError(place(path, node.source()) + ": " + name + " is not a table: write [" +
                         name + "]");
    }
    for (const auto& [key, value] : in_file_order(*table)) {
        auto read = read_option(path, end, key, *value);
        if (end == subcommand) std::ranges::move(read, std::back_inserter(file.options));
    }
}

}  // namespace

SettingsFile read_settings_file(const std::string& path, Subcommand subcommand) {
    const toml::table table = parse(path);
    SettingsFile file;
    for (const auto& [key, value] : in_file_order(table)) {
        if (const auto end = end_named(key)) {
            read_section(path, *end, subcommand, *value, file);
        } else if (key == "device") {
            read_devices(path, *value, file);
        } else {
            auto read = read_option(path, subcommand, key, *value);
            std::ranges::move(read, std::back_inserter(file.options));
        }
    }
    return file;
}

}  // namespace multifd
