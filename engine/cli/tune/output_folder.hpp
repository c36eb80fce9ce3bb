// OutputFolder: where the results of a tuning go.
#pragma once

#include <string>

#include "engine/cli/tune/results.hpp"

namespace multifd::tuning {

/// Makes `folder` when it is missing. Throws UsageError when it is no folder, or holds the results
/// of an earlier tuning and `replace` is not given; StartFailure when nothing can be written there.
void prepare_output_folder(const std::string& folder, bool replace);

/// Writes results.json, results.csv, report.html and, if anything has completed, best.toml. Returns
/// what went wrong, empty when nothing did.
std::string write_results(const std::string& folder, const Results& results);

}  // namespace multifd::tuning
