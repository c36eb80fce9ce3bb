// The results as files for programs: JSON, CSV, and a configuration file with the best settings.
#pragma once

#include <string>
#include <string_view>

#include "engine/cli/tune/results.hpp"

namespace multifd::tuning {

/// results.json, by config/multifd-tune.schema.json.
std::string results_json(const Results& results);

/// results.csv: a line for each run, failed ones too, with every figure (RFC 4180).
std::string results_csv(const Results& results);
/// A cell of it: in quotes when it must be.
std::string csv_cell(std::string_view text);

/// best.toml: what `send` and `receive` take with --config. Empty when no case has completed.
std::string best_settings(const Results& results);

}  // namespace multifd::tuning
