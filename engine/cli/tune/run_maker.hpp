// RunMaker: one migration after the other, between this command and itself.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/cli/child_process.hpp"
#include "engine/cli/scratch_folder.hpp"
#include "engine/cli/tune/run_record.hpp"
#include "engine/cli/tune/workload.hpp"
#include "multifd/settings.hpp"

namespace multifd::tuning {

/// What all runs of a tuning have in common.
struct RunPlan {
    Workload workload;
    std::string to;                      ///< Empty: a destination of our own, over loopback.
    CommonSettings common;               ///< The deadlines.
    std::vector<std::string> also_to{};  ///< Further addresses of the same destination.
};

/// The command that a user runs at the destination's host for `plan.to`.
std::string receive_command(const RunPlan& plan);

/// Runs `send` in a child process for each migration, and without `to` one `receive --serve` in
/// another, which is started again when it has ended or left a failure unexplained.
/// Ownership: ends its children in the destructor.
/// Threads:   run() on one thread, interrupt() from any.
class RunMaker {
  public:
    /// `while_waiting` is called a few times per second while a migration runs.
    RunMaker(RunPlan plan, std::function<void()> while_waiting);
    ~RunMaker();
    RunMaker(const RunMaker&) = delete;
    RunMaker& operator=(const RunMaker&) = delete;

    /// Makes one run with `words` added to send's command line. A run that an interrupt met is a
    /// failed one.
    RunRecord run(const Turn& turn, const std::vector<std::string>& words);
    /// The same, not to be counted; returns the source's samples, empty when it failed.
    std::string run_for_samples(const std::vector<std::string>& words);

    /// The migration that runs is cancelled, and none is begun any more.
    void interrupt(int signal) noexcept;
    [[nodiscard]] bool interrupted() const;

  private:
    using Words = std::vector<std::string>;

    bool start_destination();
    void end_destination();
    [[nodiscard]] Words destination_words() const;
    [[nodiscard]] Words source_words(const Words& words, bool samples) const;
    [[nodiscard]] Words deadline_words() const;
    int run_source(const Words& words);
    std::string await_destination_report(const std::string& source_report, bool completed);

    const RunPlan plan_;
    const std::function<void()> while_waiting_;
    ScratchFolder folder_;
    std::unique_ptr<ChildProcess> destination_;
    std::string address_;
    std::uint64_t next_report_ = 1;   ///< Of this destination.
    std::uint64_t destinations_ = 0;  ///< Started so far.

    mutable std::mutex mutex_;  ///< Guards the two below.
    std::unique_ptr<ChildProcess> source_;
    int signal_ = 0;  ///< That interrupted; 0 for none.
};

}  // namespace multifd::tuning
