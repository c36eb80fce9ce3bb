// The report of a run as JSON: config/multifd-report.schema.json describes it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/cli/effective_setting.hpp"
#include "multifd/report.hpp"

namespace multifd {

/// How a run of the command ended, also one that ended before a migration began.
struct RunOutcome {
    std::optional<Role> role;  ///< Empty when the command line did not even say so.
    bool began = false;        ///< Whether run() was called; without it numbers are unknown.
    Report report;
    std::vector<EffectiveSetting> settings;
    std::optional<std::uint64_t> cpu_us;  ///< Processor time of the process while run() ran.
    std::string samples;                  ///< JSON by itself, when they were asked for.
    int exit_code = 0;
};

/// An outcome for a run that ended before its migration began: nothing was touched.
RunOutcome ended_early(std::optional<Role> role, Status status, ErrorReport error);

enum class ReportForm { indented, line };

/// One document, with every key of the schema, ended by a newline, which with `line` is the only
/// one. What is not UTF-8 in names and messages is replaced.
std::string report_json(const RunOutcome& outcome, ReportForm form = ReportForm::indented);

}  // namespace multifd
