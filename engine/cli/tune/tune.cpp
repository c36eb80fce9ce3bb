// multifd tune: finds the settings that suit this machine, and says what holds the transfer up.
#include <unistd.h>

#include <algorithm>

#include "engine/cli/readable.hpp"
#include "engine/cli/result_file.hpp"
#include "engine/cli/run_settings.hpp"
#include "engine/cli/subcommands.hpp"
#include "engine/cli/tune/output_folder.hpp"
#include "engine/cli/tune/progress.hpp"
#include "engine/cli/tune/results_text.hpp"
#include "engine/cli/tune/run_maker.hpp"

namespace multifd {
namespace {

using namespace tuning;

void print(const std::string& text, bool quiet) {
    if (quiet) return;
    const std::error_code error = write_result("-", text);
    if (error) throw StartFailure(Errc::output_failed, "standard output: " + error.message());
}

Matrix matrix_of(const CommandSettings& settings) {
    std::vector<Axis> axes;
    for (const Dimension& dimension : dimensions()) {
        const auto given = settings.tune.lists.find(dimension.name);
        const std::string_view list =
            given == settings.tune.lists.end() ? dimension.default_values : given->second;
        if (!list.empty()) axes.push_back(read_axis(dimension, list));
    }
    return make_matrix(std::move(axes));
}

void refuse_combinations(const Workload& workload) {
    if (workload.memory == Memory::lent && workload.read_rate != 0) {
        throw UsageError("--read-rate needs --memory held: lent memory is not read by calls");
    }
    constexpr std::uint64_t kRateMax = std::uint64_t{1} << 40U;
    if (std::max(workload.read_rate, workload.write_rate) > kRateMax) {
        throw UsageError("--read-rate and --write-rate may be at most 1TiB/s");
    }
}

/// A host that runs out of memory ends processes, and which ones nobody chooses.
void refuse_what_does_not_fit(const Workload& workload, const Circumstances& here) {
    const std::uint64_t ends = here.to.empty() ? 2 : 1;
    const std::uint64_t state = workload.state_size * workload.devices * ends;
    if (here.memory_available == 0 || state <= here.memory_available) return;
    throw StartFailure(Errc::memory_exhausted,
                       "the devices' state takes " + readable_bytes(state) +
                           (ends == 2 ? " at both ends" : "") + ", and this host has " +
                           readable_bytes(here.memory_available) +
                           " left: give fewer --devices or a smaller --state-size");
}

/// Towards another host the warm-up must succeed: whatever keeps it from that, keeps every run.
void refuse_useless_destination(const RunRecord& warm_up, const RunPlan& plan) {
    if (plan.to.empty() || !warm_up.failure) return;
    const RunFailure& failure = *warm_up.failure;
    std::string what = ": the warm-up has failed (";
    Errc code = Errc::peer_failed;
    if (failure.exit_code == static_cast<int>(ExitCode::connection)) {
        what = " cannot be reached (";
        code = Errc::connect_failed;
    } else if (failure.exit_code == static_cast<int>(ExitCode::disagreement)) {
        what = " does not fit (";
        code = Errc::devices_disagree;
    }
    throw StartFailure(
        code, "the destination at " + plan.to + what + failure.message +
                  "); run this on its host, and then tune again: " + receive_command(plan));
}

class Tuning {
  public:
    Tuning(Results results, RunPlan plan, const CommandSettings& settings, CommandContext& context)
        : results_(std::move(results)),
          plan_(std::move(plan)),
          quiet_(settings.quiet),
          context_(context),
          progress_(results_.matrix),
          schedule_(results_.matrix.cases.size(), results_.rules),
          maker_(plan_, [this] { show_live(); }) {
        context_.signals.handle([this](int signal, int count) { return pass_on(signal, count); });
    }
    ~Tuning() { context_.signals.handle(leave_at_once); }
    Tuning(const Tuning&) = delete;
    Tuning& operator=(const Tuning&) = delete;

    [[nodiscard]] std::string opening() const {
        std::string text = "multifd tune: " + std::to_string(results_.matrix.cases.size()) +
                           " settings, " + (results_.rules.quick ? "about " : "") +
                           std::to_string(schedule_.remaining()) + " migrations of " +
                           std::to_string(plan_.workload.devices) + " devices, " +
                           (plan_.to.empty() ? "over loopback" : "to " + plan_.to) + "\n";
        if (plan_.to.empty()) return text;
        return text + "on the destination's host runs, until the tuning has ended:\n  " +
               receive_command(plan_) + "\n";
    }

    const Results& make_all_runs() {
        while (const auto turn = schedule_.next()) {
            if (!make_run(*turn)) break;
        }
        conclude(results_, schedule_);
        if (results_.best && !results_.partial) {
            sampling_ = true;
            show_live();
            results_.samples = maker_.run_for_samples(results_.matrix.words(*results_.best));
        }
        context_.console.clear_live();
        return results_;
    }

  private:
    /// Whether to go on.
    bool make_run(const Turn& turn) {
        progress_.begin(turn, schedule_.remaining(), Progress::Clock::now());
        show_live();
        RunRecord record = maker_.run(turn, results_.matrix.words(turn.case_index));
        if (maker_.interrupted()) {
            results_.partial = true;
            return false;
        }
        if (turn.round == 0) refuse_useless_destination(record, plan_);
        say(record, progress_.end(record, Progress::Clock::now()));
        schedule_.record(record.figures ? record.figures->get(Figure::downtime) : std::nullopt);
        results_.runs.push_back(std::move(record));
        return true;
    }

    void say(const RunRecord& record, const std::string& line) {
        // On a terminal the live line tells it; what failed stays to be read.
        if (quiet_ || (context_.console.is_terminal() && !record.failure)) return;
        context_.console.print_line(
            line, record.failure ? Console::Style::warning : Console::Style::plain);
    }

    void show_live() {
        if (quiet_ || !context_.console.is_terminal()) return;
        const std::size_t width = context_.console.width() - 1;
        context_.console.show_live(
            sampling_
                ? std::string("tune  one more run of the best, for its timeline").substr(0, width)
                : progress_.live(Progress::Clock::now(), width));
    }

    std::optional<std::chrono::milliseconds> pass_on(int signal, int count) {
        if (count > 1) ::_exit(128 + signal);
        complain(context_.console, std::string(signal_name(signal)) +
                                       ": ending with what was measured; a second signal exits "
                                       "at once, without results");
        maker_.interrupt(signal);
        return std::nullopt;
    }

    Results results_;
    const RunPlan plan_;
    const bool quiet_;
    CommandContext& context_;
    Progress progress_;
    Schedule schedule_;
    bool sampling_ = false;  ///< All runs have been made; the best is looked at once more.
    RunMaker maker_;
};

/// 0 when everything was run, 9 when it was ended early; the code of the first failure when nothing
/// has completed.
int exit_code_of(const Results& results) {
    if (!results.best) {
        const auto failed = std::ranges::find_if(
            results.runs, [](const RunRecord& run) { return run.failure.has_value(); });
        if (failed != results.runs.end()) return std::max(failed->failure->exit_code, 1);
    }
    return static_cast<int>(results.partial ? ExitCode::cancelled : ExitCode::completed);
}

std::string closing(const Results& results, const std::string& folder) {
    std::string text;
    if (results.partial) text += "ended early: the results are partial\n";
    if (results.best) {
        const CaseResult& best = results.cases[*results.best];
        RunRecord median;
        median.figures = best.median;
        text += "best: " + results.matrix.label(*results.best) + ": " + describe(median) +
                " (medians of " + std::to_string(best.runs.size()) + ")\n" +
                results.verdict->sentence + "\n";
    } else {
        text += "no run has completed\n";
    }
    return text + "results: " + folder + "/report.html, results.json, results.csv" +
           (results.best ? ", best.toml\n" : "\n");
}

}  // namespace

int tune(const Arguments& arguments, CommandContext& context) {
    const RunSettings settings = settle(arguments);
    const CommandSettings& command = settings.command;
    if (command.tune.out.empty()) throw UsageError("tune needs --out DIR");
    refuse_combinations(command.tune.workload);
    RunPlan plan{command.tune.workload, command.source.to, command.source, command.source.also_to};
    Results results;
    results.matrix = matrix_of(command);
    results.workload = plan.workload;
    results.rules = command.tune.rules;
    results.circumstances = circumstances_now(plan.to);
    refuse_what_does_not_fit(plan.workload, results.circumstances);
    prepare_output_folder(command.tune.out, command.tune.force);

    Tuning session(std::move(results), std::move(plan), command, context);
    print(session.opening(), command.quiet);
    const Results& measured = session.make_all_runs();
    const std::string problems = write_results(command.tune.out, measured);
    if (!problems.empty()) {
        throw StartFailure(Errc::output_failed, "the results cannot be written: " + problems);
    }
    print(closing(measured, command.tune.out), command.quiet);
    return exit_code_of(measured);
}

}  // namespace multifd
