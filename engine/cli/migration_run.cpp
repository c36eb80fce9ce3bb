#include "engine/cli/migration_run.hpp"

#include <unistd.h>

#include <utility>

#include "channels/wire/error.hpp"
#include "engine/cli/progress_watch.hpp"
#include "engine/cli/result_file.hpp"
#include "engine/cli/sample_recorder.hpp"
#include "engine/cli/summary.hpp"
#include "engine/session/failure.hpp"
#include "engine/session/processor_time.hpp"

namespace multifd {
namespace {

constexpr std::chrono::milliseconds kAskAgain{50};

/// How long a run that says it has ended may take to return before a second signal leaves anyway.
constexpr int kAskedAgainMax = 20;

/// What the two signals do while a migration runs. Called on the signals' thread alone.
class SignalAnswer {
  public:
    SignalAnswer(const MigrationEnd& end, const RunSettings& settings, CommandContext& context)
        : end_(end), settings_(settings), context_(context) {}

    std::optional<std::chrono::milliseconds> operator()(int signal, int count) {
        const CancelAnswer answer = end_.cancel();
        if (answer == CancelAnswer::not_running && may_ask_again(count)) return kAskAgain;
        if (count > 1) leave_at_once(signal, answer);
        complain(context_.console,
                 std::string(signal_name(signal)) + ": " + describe(answer, end_.role));
        return std::nullopt;
    }

  private:
    /// run() has just returned, or is about to: its own report knows more than can be said here. A
    /// third signal waits for nothing.
    bool may_ask_again(int count) {
        if (count == 1) return true;
        return count == 2 && ++asked_again_ <= kAskedAgainMax;
    }

    [[noreturn]] void leave_at_once(int signal, CancelAnswer answer) {
        if (end_.abandon) end_.abandon();
        // The answer came first, so the numbers are no older than it.
        RunOutcome outcome = ended_at_once(end_.statistics(), answer, signal);
        outcome.settings = settings_.effective;
        if (context_.target.json == "-") context_.console.clear_live();
        const int exit_code =
            deliver_report(context_.console, context_.target, outcome, kPartingPatience);
        context_.console.clear_live();
        complain(context_.console,
                 outcome.report.error->message + "; next: " + outcome.report.next_step);
        ::_exit(exit_code);
    }

    const MigrationEnd& end_;
    const RunSettings& settings_;
    CommandContext& context_;
    int asked_again_ = 0;  ///< Since the second signal.
};

/// Whether nothing of the source can have been stopped yet.
bool still_runs(Status status) {
    return status == Status::none || status == Status::setup || status == Status::active;
}

/// A failure costs an otherwise good run its exit code.
int write_samples(const RunOutcome& outcome, CommandContext& context) {
    if (outcome.samples.empty()) return 0;
    const std::error_code error = write_result(context.samples, outcome.samples);
    if (!error) return 0;
    complain(context.console,
             "the samples cannot be written to " + context.samples + ": " + error.message());
    return static_cast<int>(exit_code_of(Errc::output_failed));
}

/// Text on standard output; a failure costs an otherwise good run its exit code.
int print_summary(const RunOutcome& outcome, const RunSettings& settings, CommandContext& context) {
    const bool stdout_taken = context.target.json == "-";
    if (stdout_taken || settings.command.quiet) return 0;
    const std::error_code error = write_result("-", summary(outcome, settings.command.verbose));
    if (!error) return 0;
    complain(context.console, "the summary cannot be written: " + error.message());
    return static_cast<int>(exit_code_of(Errc::output_failed));
}

}  // namespace

std::string describe(CancelAnswer answer, Role role) {
    switch (answer) {
        case CancelAnswer::accepted:
            return "cancelling; a second signal exits at once and leaves the devices as they are";
        case CancelAnswer::too_late:
            return "too late to cancel, the commit is decided; waiting for the other end's answer";
        case CancelAnswer::in_doubt:
            return "the owner of the devices is unknown; leaving them stopped";
        case CancelAnswer::requested:
            return "the state has been loaded, so the source decides; it has been asked to cancel";
        case CancelAnswer::not_running:
            break;
    }
    return role == Role::source ? "nothing has been sent yet" : "nothing has been received yet";
}

RunOutcome ended_at_once(const Statistics& statistics, CancelAnswer last_answer, int signal) {
    const bool source = statistics.role == Role::source;
    // With nothing left to cancel the devices are only brought to rest, and have their owner.
    const bool kept = last_answer == CancelAnswer::not_running && statistics.owner == Owner::source;
    const bool doubt = last_answer != CancelAnswer::accepted && !kept;
    RunOutcome outcome;
    outcome.role = statistics.role;
    outcome.began = true;
    outcome.exit_code = 128 + signal;
    Report& report = outcome.report;
    static_cast<Statistics&>(report) = statistics;
    report.total_time_ms = statistics.elapsed_ms;
    report.status = doubt ? Status::unknown_owner : Status::failed;
    report.owner = doubt ? Owner::unknown : Owner::source;
    report.retry_safe = !doubt && (!source || still_runs(statistics.status));
    ErrorReport error;
    error.code = error_name(doubt ? Errc::unknown_owner : Errc::cancelled);
    error.phase = to_string(statistics.status);
    error.exit_code = outcome.exit_code;
    error.message = std::string("a second ") + signal_name(signal) + " ended multifd at once";
    if (doubt) {
        error.message += ": nobody here knows which end owns the devices";
        report.next_step = "ask both hosts with multifd status" +
                           (statistics.session.empty() ? "" : " " + statistics.session) +
                           " before any device runs";
    } else if (source) {
        error.message += ": devices may be left stopped";
        report.next_step = "check that the source's devices run; the destination never ran them";
    } else {
        error.message += ": devices may be left without a usable state";
        report.next_step = "reset the destination's devices before another attempt";
    }
    report.error = std::move(error);
    return outcome;
}

RunOutcome run_to_its_end(const MigrationEnd& end, const RunSettings& settings,
                          CommandContext& context, ConsoleLog& log, Signals::Action afterwards) {
    context.signals.handle(SignalAnswer(end, settings, context));
    RunOutcome outcome;
    outcome.role = end.role;
    outcome.began = true;
    const ProcessorTime before = processor_time_of_process();
    {
        const ProgressWatch progress(context.console, log, end.statistics, settings.command.quiet);
        std::optional<SampleRecorder> recorder;
        if (!context.samples.empty()) recorder.emplace(end.statistics);
        outcome.report = end.run();
        if (recorder) outcome.samples = recorder->stop().json();
    }
    const ProcessorTime used = used_between(before, processor_time_of_process());
    outcome.cpu_us = used.user_us + used.system_us;
    context.signals.handle(std::move(afterwards));
    outcome.exit_code = outcome.report.exit_code();
    outcome.settings = settings.effective;
    apply_agreed(outcome.settings, outcome.report.agreed);
    return outcome;
}

int print_outcome(const RunOutcome& outcome, const RunSettings& settings, CommandContext& context) {
    const int written = write_samples(outcome, context);
    // Unless the log has said it.
    const bool silent = settings.log_choice() == LogChoice::none;
    if (settings.command.quiet && silent && outcome.report.error) {
        complain(context.console, describe(*outcome.report.error));
    }
    const int printed = print_summary(outcome, settings, context);
    return written != 0 ? written : printed;
}

int run_migration(const MigrationEnd& end, const RunSettings& settings, CommandContext& context,
                  ConsoleLog& log) {
    const RunOutcome outcome =
        run_to_its_end(end, settings, context, log, wait_for_the_next_action());
    // The migration has ended, and so will this process: a signal now must not make its exit code
    // differ from its report.
    context.signals.handle(leave_with(exit_code_unreported(outcome)));
    const int reported = deliver_report(context.console, context.target, outcome);
    context.signals.handle(leave_with(reported));
    const int printed = print_outcome(outcome, settings, context);
    return reported != 0 ? reported : printed;
}

}  // namespace multifd
