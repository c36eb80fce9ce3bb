#include "engine/cli/command_context.hpp"

#include <unistd.h>

#include "engine/cli/result_file.hpp"

namespace multifd {

void complain(Console& console, std::string_view text) {
    console.print_line("multifd: " + std::string(text), Console::Style::error);
}

int end_early(CommandContext& context, const ErrorReport& error) {
    RunOutcome outcome = ended_early(context.target.role, Status::failed, error);
    outcome.report.next_step = "correct what the message names and run again";
    // A signal must not add a second report while this one is written.
    context.signals.handle(leave_with(exit_code_unreported(outcome)));
    const int exit_code = deliver_report(context.console, context.target, outcome);
    complain(context.console, error.message);
    return exit_code;
}

Signals::Action end_before_it_began(Console& console, const ReportTarget& target,
                                    std::function<void()> tidy_up) {
    return [&console, target, tidy_up = std::move(tidy_up)](
               int signal, int) -> std::optional<std::chrono::milliseconds> {
        if (tidy_up) tidy_up();
        ErrorReport error;
        error.code = error_name(Errc::cancelled);
        error.message = std::string(signal_name(signal)) + " before the migration began";
        error.exit_code = static_cast<int>(exit_code_of(Errc::cancelled));
        const std::string said = error.message + "; nothing was touched";
        RunOutcome outcome = ended_early(target.role, Status::cancelled, std::move(error));
        outcome.report.next_step = "run again when you like";
        const int exit_code = deliver_report(console, target, outcome, kPartingPatience);
        complain(console, said);
        // No destructors: another thread may be in the middle of anything.
        ::_exit(exit_code);
    };
}

Signals::Action wait_for_the_next_action() {
    return [](int, int) { return std::optional(std::chrono::milliseconds(1)); };
}

Signals::Action leave_with(int exit_code) {
    return
        [exit_code, asked = false](int, int) mutable -> std::optional<std::chrono::milliseconds> {
            if (asked) ::_exit(exit_code);
            asked = true;
            return kPartingPatience;
        };
}

int exit_code_unreported(const RunOutcome& outcome) {
    if (outcome.exit_code != 0) return outcome.exit_code;
    return static_cast<int>(exit_code_of(Errc::output_failed));
}

std::optional<std::chrono::milliseconds> leave_at_once(int signal, int) {
    ::_exit(128 + signal);
}

void take_report_target(CommandContext& context, const std::string& json) {
    if (json.empty()) return;
    const std::error_code error = check_result_target(json);
    if (error) {
        context.target.json.clear();
        throw StartFailure(Errc::output_failed,
                           "the report cannot be written to " + json + ": " + error.message());
    }
    context.target.json = json;
    context.signals.handle(end_before_it_began(context.console, context.target));
}

void take_samples_target(CommandContext& context, const std::string& file) {
    if (file.empty()) return;
    const std::error_code error = check_result_target(file);
    if (error) {
        throw StartFailure(Errc::output_failed,
                           "the samples cannot be written to " + file + ": " + error.message());
    }
    context.samples = file;
}

int deliver_report(Console& console, const ReportTarget& target, const RunOutcome& outcome,
                   WritePatience patience) {
    if (target.json.empty()) return outcome.exit_code;
    const ReportForm form = target.lines ? ReportForm::line : ReportForm::indented;
    const std::error_code error =
        write_result(target.json, report_json(outcome, form), patience, [&] {
            complain(console,
                     "nobody reads " + target.json + " yet: the report waits for a reader");
        });
    if (!error) return outcome.exit_code;
    const bool no_reader = error == std::errc::no_such_device_or_address;
    complain(console, "the report cannot be written to " + target.json + ": " +
                          (no_reader ? std::string("nobody reads it") : error.message()));
    return exit_code_unreported(outcome);
}

}  // namespace multifd
