// The command line as words: which subcommand, which options, nothing judged but the names.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cli/command_options.hpp"

namespace multifd {

struct GivenOption {
    const CommandOption* option = nullptr;
    std::string value;  ///< "on" for a flag.
};

struct Arguments {
    enum class Wish { run, help, version };

    Wish wish = Wish::run;
    std::optional<Subcommand> subcommand;  ///< Always there for Wish::run.
    std::vector<GivenOption> options;      ///< Those of one name in order.
    std::vector<std::string> devices;      ///< --device, in order.
    std::string config;                    ///< --config, or empty.
    std::vector<std::string> positionals;  ///< SESSION, RECORDING.
};

/// What is known of a command line before, and even if, it makes no sense: where the report goes
/// and for whom.
struct ReportTarget {
    std::string json;  ///< "-", a path, or empty when none was asked for.
    std::optional<Role> role;
    bool lines = false;  ///< Reports follow each other there, one line each.
};
ReportTarget find_report_target(const std::vector<std::string>& words);

/// `words` is the command line without the program's name. Throws UsageError.
Arguments parse_arguments(const std::vector<std::string>& words);

/// What `multifd help` prints.
std::string help_text();
/// What `multifd SUBCOMMAND --help` prints.
std::string help_text(Subcommand subcommand);

}  // namespace multifd
