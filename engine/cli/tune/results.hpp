// Results: everything a tuning has measured, and what it comes to for each case.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/cli/tune/bottleneck.hpp"
#include "engine/cli/tune/circumstances.hpp"
#include "engine/cli/tune/matrix.hpp"
#include "engine/cli/tune/run_record.hpp"
#include "engine/cli/tune/spread.hpp"
#include "engine/cli/tune/workload.hpp"

namespace multifd::tuning {

struct CaseResult {
    std::vector<Figures> runs;  ///< Counted and completed.
    std::uint32_t failures = 0;
    std::optional<std::uint32_t> dropped_after;  ///< The round.
    Figures median;                              ///< Empty without a completed run.

    [[nodiscard]] bool measured() const noexcept { return !runs.empty(); }
    /// Of at least one completed run that has the figure.
    [[nodiscard]] Spread spread(Figure figure) const;
};

struct Results {
    Circumstances circumstances;
    Workload workload;
    ScheduleRules rules;
    Matrix matrix;
    bool partial = false;  ///< It was ended before all runs were made.
    std::vector<RunRecord> runs;
    std::vector<CaseResult> cases;  ///< In the matrix's order.
    std::optional<std::size_t> best;
    std::optional<Verdict> verdict;  ///< Of the best case.
    std::string samples;             ///< Of one more run of the best case, JSON; or empty.
};

/// Fills in cases, best and verdict from the runs. The best case is the one with the smallest
/// median downtime; of cases within 2% of it, the one with the least processor time.
void conclude(Results& results, const Schedule& schedule);

}  // namespace multifd::tuning
