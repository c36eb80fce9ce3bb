// The texts of --help, made from the tables of subcommands and options.
#include <algorithm>

#include "engine/cli/arguments.hpp"
#include "engine/cli/exit_codes.hpp"
#include "engine/devices/device_options.hpp"
#include "multifd/conformance.hpp"

namespace multifd {
namespace {

constexpr std::size_t kHelpColumn = 30;

std::string padded(std::string text, std::size_t width) {
    text.resize(std::max(width, text.size()), ' ');
    return text;
}

std::string option_line(const CommandOption& option) {
    std::string line = option.letter == '\0' ? "      " : std::string("  -") + option.letter + ", ";
    line += "--" + std::string(option.name);
    if (!option.flag()) line += " " + std::string(option.placeholder);
    if (line.size() + 2 > kHelpColumn) line += "\n";
    const std::size_t column = line.ends_with('\n') ? line.size() + kHelpColumn : kHelpColumn;
    return padded(std::move(line), column) + std::string(option.help) + "\n";
}

std::string items_text() {
    std::string text =
        "events: source-running, source-resumed, destination-loaded, destination-running, failed\n"
        "items:\n";
    for (const CheckItem& item : check_items()) {
        text += "  " + padded(std::string(item.name), 24) + std::string(item.title) + "\n";
    }
    return text;
}

}  // namespace

std::string help_text() {
    std::string text =
        "multifd moves the state of devices between two hosts over parallel connections.\n\n"
        "usage: multifd COMMAND [options]\n\n";
    for (const SubcommandEntry& entry : subcommands()) {
        text += "  " + padded(std::string(entry.name), 14) + std::string(entry.help) + "\n";
    }
    text +=
        "  help          print this, or with a COMMAND its options\n\n"
        "      --version   print the version\n\n";
    return text + exit_code_list();
}

std::string help_text(Subcommand subcommand) {
    const auto entry = std::ranges::find(subcommands(), subcommand, &SubcommandEntry::subcommand);
    std::string text =
        "usage: " + std::string(entry->synopsis) + "\n" + std::string(entry->help) + "\n\n";
    for (const CommandOption& option : command_options()) {
        if (option.of(subcommand)) text += option_line(option);
    }
    if (find_option(subcommand, "device") != nullptr) {
        text += "\ndevice kinds:";
        for (const std::string_view kind : device_kinds()) text += " " + std::string(kind);
        text += "\nSizes take KiB, MiB, GiB, TiB (K, M, G, T alike); times us, ms, s.\n";
    }
    if (subcommand == Subcommand::check) text += "\n" + items_text();
    return text + "\n" + exit_code_list();
}

}  // namespace multifd
