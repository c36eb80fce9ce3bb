// What every subcommand shares: where lines go, what signals do, where the report goes.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "channels/wire/error.hpp"
#include "engine/cli/arguments.hpp"
#include "engine/cli/console.hpp"
#include "engine/cli/report_json.hpp"
#include "engine/cli/result_file.hpp"
#include "engine/cli/signals.hpp"

namespace multifd {

/// What this host refuses before the migration begins; what() is one line.
class StartFailure : public std::runtime_error {
  public:
    StartFailure(ErrorCode code, const std::string& message)
        : std::runtime_error(message), code_(code) {}
    [[nodiscard]] ErrorCode code() const noexcept { return code_; }

  private:
    ErrorCode code_;
};

/// Made by main(), lives as long as the process.
struct CommandContext {
    Console& console;
    Signals& signals;
    ReportTarget target;
    std::string samples = {};  ///< Where they go; empty when none were asked for.
};

/// Prints "multifd: " and `text` as one line.
void complain(Console& console, std::string_view text);

/// Says what stopped a run before it began, delivers its report and returns the exit code.
int end_early(CommandContext& context, const ErrorReport& error);

/// What SIGINT and SIGTERM do until the migration begins: the process ends at once, reported as
/// cancelled; nothing has been touched but what `tidy_up` puts right, where no destructor will.
Signals::Action end_before_it_began(Console& console, const ReportTarget& target,
                                    std::function<void()> tidy_up = {});

/// What they do for a moment in which nobody can say yet what ending leaves behind: wait for the
/// next action.
Signals::Action wait_for_the_next_action();

/// For a process that has its report, or its summary, left to hand over: a signal gives whoever
/// should take it one more second, then ends the process with `exit_code`.
Signals::Action leave_with(int exit_code);

/// The exit code of an outcome whose report reached nobody.
int exit_code_unreported(const RunOutcome& outcome);

/// What SIGINT and SIGTERM do where there is nothing to undo and no report: exit 128 + signal.
std::optional<std::chrono::milliseconds> leave_at_once(int signal, int count);

/// From now on the report goes to `json` (unless empty). Throws StartFailure when nothing can be
/// written there.
void take_report_target(CommandContext& context, const std::string& json);

/// The samples go to `file` (unless empty). Throws StartFailure when nothing can be written there.
void take_samples_target(CommandContext& context, const std::string& file);

/// Writes the report where `target` says, if anywhere. The exit code to end with: the outcome's, or
/// that of output_failed when an otherwise good run could not be reported.
/// Blocking:  as write_result(); that a named pipe has no reader yet is said at once.
int deliver_report(Console& console, const ReportTarget& target, const RunOutcome& outcome,
                   WritePatience patience = {});

/// For a signal's action: no report may hold up a process that has been asked to go.
inline constexpr std::chrono::seconds kPartingPatience{1};

}  // namespace multifd
