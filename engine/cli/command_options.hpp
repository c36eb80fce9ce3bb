// Every option of the command: its name, who takes it, and what it sets.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cli/check/choices.hpp"
#include "engine/cli/effective_setting.hpp"
#include "engine/cli/option_values.hpp"
#include "engine/cli/serve_choices.hpp"
#include "engine/cli/tune/choices.hpp"
#include "multifd/settings.hpp"

namespace multifd {

/// The subcommands, as bits so that an option can name all that take it.
enum class Subcommand : unsigned {
    send = 1,
    receive = 2,
    demo = 4,
    status = 8,
    inspect = 16,
    tune = 32,
    probe = 64,
    check = 128,
    serve_device = 256,
};

struct SubcommandEntry {
    Subcommand subcommand;
    std::string_view name;
    std::string_view synopsis;
    std::string_view help;  ///< One line.
};

std::span<const SubcommandEntry> subcommands() noexcept;
std::string_view to_string(Subcommand subcommand) noexcept;

/// Everything options set, for whichever subcommand runs.
struct CommandSettings {
    SourceSettings source;
    DestinationSettings destination;
    ListenerSettings listener;
    std::string json;                       ///< "-", a path, or empty for none.
    std::string samples;                    ///< Empty for none.
    std::string address_file;               ///< Empty for none.
    LogChoice log_level = LogChoice::info;  ///< As given; log_choice() says what it comes to.
    bool quiet = false;
    bool verbose = false;
    bool serve = false;      ///< receive: one migration after the other.
    bool json_flag = false;  ///< status, inspect and probe: print JSON.
    tuning::Choices tune;
    ServeChoices served;
    checking::Choices check;
    std::string extract;  ///< inspect: a folder, or empty.
};

/// One option. Options with apply() are settings: they may stand in a configuration file, and the
/// report shows them.
struct CommandOption {
    std::string_view name;         ///< Without dashes; also the key in a configuration file.
    char letter = '\0';            ///< Of its short form, or NUL.
    std::string_view placeholder;  ///< "SIZE"; empty for a flag, which stands for "on".
    unsigned taken_by = 0;         ///< Bits of Subcommand.
    std::string_view help;
    /// Throws UsageError, saying what is allowed; its caller says whose value it was.
    void (*apply)(CommandSettings&, std::string_view text) = nullptr;
    SettingValue (*show)(const CommandSettings&, Role role) = nullptr;
    /// Of an option that may be given several times, each adding to the last: drops what was given.
    void (*forget)(CommandSettings&) = nullptr;

    [[nodiscard]] bool of(Subcommand subcommand) const noexcept {
        return (taken_by & static_cast<unsigned>(subcommand)) != 0;
    }
    [[nodiscard]] bool repeatable() const noexcept { return forget != nullptr; }
    [[nodiscard]] bool flag() const noexcept { return placeholder.empty(); }
};

std::span<const CommandOption> command_options() noexcept;

/// The option of that name that `subcommand` takes, or null.
const CommandOption* find_option(Subcommand subcommand, std::string_view name) noexcept;

/// What to say of an option that `subcommand` does not take: `written` ("--lisen", or "lisen" in a
/// file) and the nearest it does take, or who takes it.
std::string unknown_option_message(Subcommand subcommand, std::string_view written);

}  // namespace multifd
