// The plots of a tuning's report page: which results go into which chart.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/cli/tune/results.hpp"

namespace multifd::tuning {

/// The cases, the shortest median downtime first, those without a completed run last.
std::vector<std::size_t> by_downtime(const Results& results);

/// Throughput and processor time, each over the first dimension that varies, with a line for each
/// value of the second, and a pair for each combination of the others.
std::string rate_and_cost_cards(const Results& results);

/// The downtime and its parts, of the best cases first.
std::string downtime_card(const Results& results);

/// Several lines of text for HTML: html_escape() of each.
std::string html_escape_lines(const std::string& text);

}  // namespace multifd::tuning
