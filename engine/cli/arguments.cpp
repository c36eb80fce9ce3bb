#include "engine/cli/arguments.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <map>

#include "engine/devices/device_options.hpp"
#include "engine/text/nearest_name.hpp"

namespace multifd {
namespace {

std::vector<std::string_view> subcommand_names() {
    std::vector<std::string_view> names;
    for (const SubcommandEntry& entry : subcommands()) names.push_back(entry.name);
    names.push_back("help");
    return names;
}

std::optional<Subcommand> subcommand_of(std::string_view name) {
    const auto found = std::ranges::find(subcommands(), name, &SubcommandEntry::name);
    if (found == subcommands().end()) return std::nullopt;
    return found->subcommand;
}

std::optional<Role> role_of(std::optional<Subcommand> subcommand) {
    if (subcommand == Subcommand::send) return Role::source;
    if (subcommand == Subcommand::receive) return Role::destination;
    return std::nullopt;
}

bool takes_positionals(Subcommand subcommand) {
    return subcommand == Subcommand::status || subcommand == Subcommand::inspect;
}

/// The options of one subcommand, as CLI11 sees them.
class OptionParser {
  public:
    explicit OptionParser(Subcommand subcommand) : subcommand_(subcommand) {
        app_.set_help_flag("-h,--help", "");
        app_.set_config();
        app_.allow_extras();
        for (const CommandOption& option : command_options()) {
            if (option.of(subcommand)) add(option);
        }
    }

    Arguments parse(std::vector<std::string> words) {
        std::ranges::reverse(words);  // CLI11 takes them from the back.
        Arguments arguments;
        arguments.subcommand = subcommand_;
        try {
            app_.parse(words);
        } catch (const CLI::CallForHelp&) {
            arguments.wish = Arguments::Wish::help;
            return arguments;
        } catch (const CLI::ParseError& error) {
            throw UsageError(one_line(error.what()));
        }
        take_extras(arguments);
        collect(arguments);
        return arguments;
    }

  private:
    void add(const CommandOption& option) {
        std::string names = "--" + std::string(option.name);
        if (option.letter != '\0') names = std::string("-") + option.letter + "," + names;
        if (option.flag()) {
            flags_[&option] = app_.add_flag(names);
        } else {
            std::vector<std::string>& values = values_[&option];
            app_.add_option(names, values)->type_size(1)->allow_extra_args(false)->take_all();
        }
    }

    static std::string one_line(std::string text) {
        std::ranges::replace(text, '\n', ' ');
        const std::string_view missing = ": 1 required";
        const auto at = text.find(missing);
        return at == std::string::npos ? text : text.substr(0, at) + " needs a value";
    }

    void take_extras(Arguments& arguments) const {
        for (const std::string& word : app_.remaining()) {
            if (word.starts_with("-") && word != "-") {
                throw UsageError(
                    unknown_option_message(subcommand_, word.substr(0, word.find('='))));
            }
            if (!takes_positionals(subcommand_)) {
                throw UsageError(std::string(to_string(subcommand_)) +
                                 " does not know what to do with \"" + word + "\"");
            }
            arguments.positionals.push_back(word);
        }
    }

    void collect(Arguments& arguments) const {
        for (const auto& [option, flag] : flags_) {
            if (flag->count() > 0) arguments.options.push_back({option, "on"});
        }
        for (const auto& [option, values] : values_) {
            if (option->name == "device") {
                arguments.devices = values;
                continue;
            }
            if (values.empty()) continue;
            // The last one wins, so that a script can append to what it was given.
            if (option->name == "config") {
                arguments.config = values.back();
            } else if (option->repeatable()) {
                for (const auto& value : values) arguments.options.push_back({option, value});
            } else {
                arguments.options.push_back({option, values.back()});
            }
        }
    }

    const Subcommand subcommand_;
    CLI::App app_;
    std::map<const CommandOption*, std::vector<std::string>> values_;
    std::map<const CommandOption*, CLI::Option*> flags_;
};

[[noreturn]] void refuse_first_word(const std::string& word) {
    if (word.starts_with("-")) {
        static constexpr std::array<std::string_view, 2> kGlobal{"help", "version"};
        throw UsageError("unknown option " + word + " before a command; did you mean --" +
                         std::string(nearest_name(word, kGlobal)) + "?");
    }
    const auto names = subcommand_names();
    throw UsageError("unknown command \"" + word + "\"; did you mean " +
                     std::string(nearest_name(word, names)) + "?");
}

Arguments parse_help(const std::vector<std::string>& words) {
    Arguments arguments;
    arguments.wish = Arguments::Wish::help;
    if (words.size() > 1) {
        arguments.subcommand = subcommand_of(words[1]);
        if (!arguments.subcommand) refuse_first_word(words[1]);
    }
    return arguments;
}

}  // namespace

ReportTarget find_report_target(const std::vector<std::string>& words) {
    constexpr std::string_view kOption = "--json";
    ReportTarget target;
    if (words.empty()) return target;
    const auto subcommand = subcommand_of(words.front());
    // Its report is another one than what a run that ends early leaves.
    if (subcommand == Subcommand::check) return target;
    target.role = role_of(subcommand);
    const bool flag = subcommand == Subcommand::status || subcommand == Subcommand::inspect;
    for (std::size_t at = 0; at < words.size(); ++at) {
        const std::string_view word = words[at];
        if (word == kOption) {
            const bool value = !flag && at + 1 < words.size() && !words[at + 1].empty() &&
                               !words[at + 1].starts_with("--");
            target.json = value ? words[at + 1] : "-";
        } else if (word.starts_with("--json=")) {
            target.json = word.substr(kOption.size() + 1);
            if (target.json.empty()) target.json = "-";
        }
    }
    return target;
}

Arguments parse_arguments(const std::vector<std::string>& words) {
    if (words.empty()) {
        throw UsageError(
            "no command given: send, receive, demo, status, inspect, serve-device, tune, probe or "
            "check; multifd help says more");
    }
    const std::string& first = words.front();
    if (first == "help") return parse_help(words);
    if (first == "--help" || first == "-h") {
        return {Arguments::Wish::help, std::nullopt, {}, {}, {}, {}};
    }
    if (first == "--version") return {Arguments::Wish::version, std::nullopt, {}, {}, {}, {}};
    const auto subcommand = subcommand_of(first);
    if (!subcommand) refuse_first_word(first);
    return OptionParser(*subcommand).parse({words.begin() + 1, words.end()});
}

}  // namespace multifd
