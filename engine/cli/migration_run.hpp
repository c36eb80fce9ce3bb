// One end's migration under the command: signals, progress, and what is left at the end.
#pragma once

#include <functional>
#include <string>

#include "engine/cli/command_context.hpp"
#include "engine/cli/console_log.hpp"
#include "engine/cli/run_settings.hpp"
#include "multifd/source.hpp"

namespace multifd {

/// What Source and Destination have in common, as the command needs it.
struct MigrationEnd {
    Role role;
    std::function<Report()> run;
    std::function<CancelAnswer()> cancel;    ///< From any thread.
    std::function<Statistics()> statistics;  ///< From any thread.
    /// From any thread: puts right what no destructor will, for a process that ends at once.
    std::function<void()> abandon = {};
};

/// Runs `end` to its end: a first signal cancels it, a second ends the process at once; progress
/// goes to the console; at the end summary and report go where the settings say. Returns the exit
/// code.
int run_migration(const MigrationEnd& end, const RunSettings& settings, CommandContext& context,
                  ConsoleLog& log);

/// The first part of it: from the moment `end` has ended, signals do what `afterwards` says.
RunOutcome run_to_its_end(const MigrationEnd& end, const RunSettings& settings,
                          CommandContext& context, ConsoleLog& log, Signals::Action afterwards);

/// The last part of it: the summary, or with --quiet the error. Returns an exit code that counts
/// unless the migration has a worse one.
int print_outcome(const RunOutcome& outcome, const RunSettings& settings, CommandContext& context);

/// What to say of a cancel, in words that follow "SIGINT: ".
std::string describe(CancelAnswer answer, Role role);

/// How a run looks that is left at once, mid-way: its report says what that leaves behind.
RunOutcome ended_at_once(const Statistics& statistics, CancelAnswer last_answer, int signal);

}  // namespace multifd
