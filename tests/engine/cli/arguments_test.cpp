#include "engine/cli/arguments.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>

#include "engine/cli/exit_codes.hpp"
#include "engine/devices/device_options.hpp"

namespace multifd {
namespace {

std::vector<std::string> words(const std::string& line) {
    std::istringstream stream(line);
    std::vector<std::string> result;
    for (std::string word; stream >> word;) result.push_back(word);
    return result;
}

Arguments parse(const std::string& line) {
    return parse_arguments(words(line));
}

std::string refusal(const std::string& line) {
    try {
        parse(line);
    } catch (const UsageError& error) {
        return error.what();
    }
    return "not refused";
}

std::string value_of(const Arguments& arguments, std::string_view name) {
    for (const GivenOption& given : arguments.options) {
        if (given.option->name == name) return given.value;
    }
    return "not given";
}

}  // namespace

TEST_CASE("options come as words, with = or without", "[cli]") {
    const Arguments arguments =
        parse("send --to tcp:a:1 --packet-size=4KiB -q --device memory,idstr=a --device file,b=c");
    CHECK(arguments.subcommand == Subcommand::send);
    CHECK(value_of(arguments, "to") == "tcp:a:1");
    CHECK(value_of(arguments, "packet-size") == "4KiB");
    CHECK(value_of(arguments, "quiet") == "on");
    CHECK(value_of(arguments, "verbose") == "not given");
    CHECK(arguments.devices == std::vector<std::string>{"memory,idstr=a", "file,b=c"});
}

TEST_CASE("a device takes one word, also in brackets", "[cli]") {
    CHECK(parse("send --device [a,b]").devices == std::vector<std::string>{"[a,b]"});
    CHECK(refusal("send --device memory,idstr=a stray").find("\"stray\"") != std::string::npos);
}

TEST_CASE("the last of a repeated option wins", "[cli]") {
    CHECK(value_of(parse("receive --json first --json -"), "json") == "-");
}

TEST_CASE("status and inspect take words, and --json as a flag", "[cli]") {
    const Arguments arguments = parse("inspect one --json two --extract here");
    CHECK(arguments.positionals == std::vector<std::string>{"one", "two"});
    CHECK(value_of(arguments, "json") == "on");
    CHECK(value_of(arguments, "extract") == "here");
    CHECK(parse("status 1a2b").positionals == std::vector<std::string>{"1a2b"});
}

TEST_CASE("what is not understood is refused with what it may have meant", "[cli]") {
    struct Case {
        const char* line;
        const char* said;
    };
    const auto wrong = GENERATE(values<Case>({
        {"", "no command given"},
        {"sned", "did you mean send?"},
        {"--verison", "did you mean --version?"},
        {"help recieve", "did you mean receive?"},
        {"send --tp x", "did you mean --to?"},
        {"send --multifd-chanels=4", "did you mean --multifd-channels?"},
        {"send --listen tcp:a:1", "--listen is an option of receive, not of send"},
        {"receive --packet-size 4KiB", "--packet-size is an option of send, not of receive"},
        {"send --json", "--json needs a value"},
        {"send -z", "unknown option -z"},
        {"send --multif=4", "did you mean --multifd-channels?"},
        {"send --hlp", "did you mean --help?"},
        {"receive --hel", "did you mean --help?"},
        {"receive --downtime 1s", "did you mean --downtime-limit, which receive lacks?"},
        {"demo --to tcp:a:1", "--to is an option of send, not of demo"},
    }));
    CAPTURE(wrong.line);
    const std::string said = refusal(wrong.line);
    CHECK_THAT(said, Catch::Contains(wrong.said));
    CHECK(said.find('\n') == std::string::npos);
}

TEST_CASE("help and version are wishes of their own", "[cli]") {
    for (const auto* line : {"help", "--help", "-h"}) {
        CAPTURE(line);
        CHECK(parse(line).wish == Arguments::Wish::help);
        CHECK_FALSE(parse(line).subcommand.has_value());
    }
    for (const auto* line : {"help send", "send --help", "send --to x -h"}) {
        CAPTURE(line);
        CHECK(parse(line).wish == Arguments::Wish::help);
        CHECK(parse(line).subcommand == Subcommand::send);
    }
    CHECK(parse("--version").wish == Arguments::Wish::version);
}

TEST_CASE("where the report goes is known of any command line", "[cli]") {
    struct Case {
        const char* line;
        const char* json;
        std::optional<Role> role;
    };
    const auto given = GENERATE(values<Case>({
        {"send --bogus --json out.json", "out.json", Role::source},
        {"receive --json=out.json --bogus", "out.json", Role::destination},
        {"receive --json - --listen", "-", Role::destination},
        {"send --json first --json second", "second", Role::source},
        {"send --json", "-", Role::source},
        {"send --json --to x", "-", Role::source},
        {"send --json=", "-", Role::source},
        {"inspect --json folder", "-", std::nullopt},
        {"sned --json out.json", "out.json", std::nullopt},
        {"send --to x", "", Role::source},
        {"", "", std::nullopt},
    }));
    CAPTURE(given.line);
    const ReportTarget target = find_report_target(words(given.line));
    CHECK(target.json == given.json);
    CHECK(target.role == given.role);
}

TEST_CASE("help names every option of a subcommand and every exit code", "[cli]") {
    for (const SubcommandEntry& entry : subcommands()) {
        const std::string text = help_text(entry.subcommand);
        CAPTURE(entry.name, text);
        for (const CommandOption& option : command_options()) {
            const bool named = text.find("--" + std::string(option.name)) != std::string::npos;
            if (option.of(entry.subcommand)) CHECK(named);
        }
        CHECK(text.ends_with(exit_code_list()));
    }
    CHECK(help_text().ends_with(exit_code_list()));
}

TEST_CASE("the exit codes of signals are listed too", "[cli]") {
    for (const char* code : {"129", "130", "143"}) {
        CHECK(exit_code_list().find(code) != std::string::npos);
    }
}

TEST_CASE("every error of the project has an exit code that the list names", "[cli]") {
    const std::string list = exit_code_list();
    for (int value = 0; value < 1200; ++value) {
        const ErrorCode error(value, multifd_category());
        const int code = static_cast<int>(exit_code_of(error));
        CAPTURE(value, code);
        std::ostringstream line;
        line << std::string(code < 10 ? 4 : 3, ' ') << code << "  ";
        CHECK(list.find("\n" + line.str()) != std::string::npos);
    }
}

}  // namespace multifd
