#include "engine/cli/command_context.hpp"

#include <unistd.h>

#include "engine/cli/result_file.hpp"

namespace multifd {

void complain(Console& console, std::string_view text) {
    console.print_line("multifd: " + std::string(text), Console::Style::error);
}

int end_early(CommandContext& context, const ErrorReport& error) {
    // A signal must not add a second report while this one is written.
    context.signals.handle(nullptr);
    RunOutcome outcome = ended_early(context.target.role, Status::failed, error);
    outcome.report.next_step = "correct what the message names and run again";
    const int exit_code = deliver_report(context.console, context.target, outcome);
    complain(context.console, error.message);
    return exit_code;
}

Signals::Action end_before_it_began(Console& console, const ReportTarget& target) {
    return [&console, target](int signal, int) -> std::optional<std::chrono::milliseconds> {
        ErrorReport error;
        error.code = error_name(Errc::cancelled);
        error.message = std::string(signal_name(signal)) + " before the migration began";
        error.exit_code = static_cast<int>(exit_code_of(Errc::cancelled));
        const std::string said = error.message + "; nothing was touched";
        RunOutcome outcome = ended_early(target.role, Status::cancelled, std::move(error));
        outcome.report.next_step = "run again when you like";
        const int exit_code = deliver_report(console, target, outcome);
        complain(console, said);
        // No destructors: another thread may be in the middle of anything.
        ::_exit(exit_code);
    };
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

int deliver_report(Console& console, const ReportTarget& target, const RunOutcome& outcome) {
    if (target.json.empty()) return outcome.exit_code;
    const ReportForm form = target.lines ? ReportForm::line : ReportForm::indented;
    const std::error_code error = write_result(target.json, report_json(outcome, form));
    if (!error) return outcome.exit_code;
    complain(console, "the report cannot be written to " + target.json + ": " + error.message());
    if (outcome.exit_code != 0) return outcome.exit_code;
    return static_cast<int>(exit_code_of(Errc::output_failed));
}

}  // namespace multifd
