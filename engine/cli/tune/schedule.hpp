// Schedule: which case of a tuning runs next, and which are not worth another run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace multifd::tuning {

struct ScheduleRules {
    std::uint32_t repeat = 3;  ///< Counted runs of a case that stays.
    bool quick = false;        ///< Drop early what cannot win.
};

/// One run that is to be made.
struct Turn {
    std::size_t case_index = 0;
    std::uint32_t round = 0;  ///< 0 is the warm-up, which does not count.
};

/// Rounds of all cases, A B C A B C, so that what changes on the machine meanwhile meets all alike;
/// before them one warm-up of the first.
///
/// With `quick`, successive halving: after each round the slower half goes, by the median of what
/// each has cost so far; but none goes whose median is within 5% of the best, and at least one
/// stays; a case that has failed goes at once. Without `quick` a case goes only when it has failed
/// twice and never succeeded.
/// Threads:   not thread-safe.
class Schedule {
  public:
    Schedule(std::size_t cases, ScheduleRules rules);

    /// Empty when there is nothing left to run. Call record() before asking again.
    [[nodiscard]] std::optional<Turn> next() const;
    /// What the turn cost, smaller is better; empty when it failed.
    void record(std::optional<double> cost);
    /// Runs still to be made, this one included, if no case within 5% and none that fails changes
    /// it.
    [[nodiscard]] std::size_t remaining() const;
    /// After which round the case was dropped; empty when it was not.
    [[nodiscard]] std::optional<std::uint32_t> dropped_after(std::size_t case_index) const;

  private:
    struct Standing {
        std::vector<double> costs;
        std::uint32_t failures = 0;
        std::optional<std::uint32_t> dropped_after;
    };
    void end_round();
    void drop_hopeless();
    void drop_slower_half();

    const ScheduleRules rules_;
    std::vector<Standing> standings_;
    std::vector<std::size_t> alive_;  ///< In the order of the cases.
    std::uint32_t round_ = 0;
    std::size_t position_ = 0;  ///< In alive_.
};

}  // namespace multifd::tuning
