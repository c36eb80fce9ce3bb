// report.html: the results as one page that needs nothing else.
#pragma once

#include <string>

#include "engine/cli/tune/results.hpp"

namespace multifd::tuning {

std::string report_page(const Results& results);

}  // namespace multifd::tuning
