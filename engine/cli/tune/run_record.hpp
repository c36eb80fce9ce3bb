// RunRecord: one run of a tuning, read from what its two ends left.
#pragma once

#include <optional>
#include <string>

#include "engine/cli/tune/figures.hpp"
#include "engine/cli/tune/schedule.hpp"

namespace multifd::tuning {

struct RunFailure {
    std::string code;  ///< As in the reports: "connect_failed".
    std::string message;
    int exit_code = 1;
};

struct RunRecord {
    Turn turn;
    double seconds = 0;       ///< From the source's start to its end, as seen from outside.
    std::string destination;  ///< How the destination ended: "completed", or empty when unknown.
    std::optional<Figures> figures;     ///< Of a completed run.
    std::optional<RunFailure> failure;  ///< Of any other.
};

/// What the two ends left.
struct RunEnds {
    std::string source_report;       ///< JSON; empty when there is none.
    std::string destination_report;  ///< The same; also empty when the destination is elsewhere.
    int source_exit_code = 0;
    std::string source_said;  ///< The last line of its log, for a source without a report.
};

/// The figures are all from the source's report, where the destination's stand too; the
/// destination's own report tells how it ended, and why. Never throws: what cannot be understood is
/// a failed run.
RunRecord read_run(const Turn& turn, const RunEnds& ends);

}  // namespace multifd::tuning
