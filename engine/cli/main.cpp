// The command multifd: arguments -> settings -> devices -> listener or source -> run -> summary.
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <new>

#include "engine/cli/result_file.hpp"
#include "engine/cli/subcommands.hpp"
#include "engine/devices/device_options.hpp"

namespace multifd {
namespace {

int run(const Arguments& arguments, CommandContext& context) {
    switch (*arguments.subcommand) {
        case Subcommand::send:
            return send(arguments, context);
        case Subcommand::receive:
            return receive(arguments, context);
        case Subcommand::demo:
            return demo(arguments, context);
        case Subcommand::status:
            return status(arguments, context);
        case Subcommand::inspect:
            return inspect(arguments, context);
        case Subcommand::serve_device:
            return serve_device(arguments, context);
        case Subcommand::check:
            return check(arguments, context);
        case Subcommand::tune:
            return tune(arguments, context);
        case Subcommand::probe:
            return probe(arguments, context);
    }
    return static_cast<int>(ExitCode::internal);
}

int print(const std::string& text) {
    const bool failed = static_cast<bool>(write_result("-", text));
    return static_cast<int>(failed ? ExitCode::resources : ExitCode::completed);
}

int grant(const Arguments& arguments, CommandContext& context) {
    switch (arguments.wish) {
        case Arguments::Wish::help:
            return print(arguments.subcommand ? help_text(*arguments.subcommand) : help_text());
        case Arguments::Wish::version:
            return print("multifd " MULTIFD_VERSION "\n");
        case Arguments::Wish::run:
            return run(arguments, context);
    }
    return static_cast<int>(ExitCode::internal);
}

ErrorReport start_error(std::string_view code, ExitCode exit_code, std::string message) {
    ErrorReport error;
    error.code = code;
    error.message = std::move(message);
    error.exit_code = static_cast<int>(exit_code);
    return error;
}

/// Whatever keeps a run from beginning leaves through here, as one line and one report.
ErrorReport describe_current_exception() {
    try {
        throw;
    } catch (const StartFailure& failure) {
        return start_error(error_name(failure.code()), exit_code_of(failure.code()),
                           failure.what());
    } catch (const std::invalid_argument& error) {
        // UsageError, and settings that the library refuses.
        return start_error("usage_error", ExitCode::usage, error.what());
    } catch (const std::bad_alloc&) {
        return start_error(error_name(Errc::memory_exhausted), ExitCode::resources,
                           "this host has too little memory for what was asked");
    } catch (const std::exception& error) {
        return start_error(error_name(Errc::internal_error), ExitCode::internal, error.what());
    }
}

}  // namespace
}  // namespace multifd

int main(int argc, char** argv) {
    using namespace multifd;
    // First of all: what comes before there is an action for it waits for one.
    Signals signals([](int, int) { return std::optional(std::chrono::milliseconds(1)); });
    const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
    const ReportTarget target = find_report_target(words);
    Console console(STDERR_FILENO);
    signals.handle(end_before_it_began(console, target));
    CommandContext context{console, signals, target};
    try {
        return grant(parse_arguments(words), context);
    } catch (...) {
        return end_early(context, describe_current_exception());
    }
}
