// The readable end of a run.
#pragma once

#include <string>

#include "engine/cli/report_json.hpp"

namespace multifd {

/// Several lines: the outcome, the error if any, devices, channels, where the downtime went; the
/// last line says who owns the devices, in which state, whether a retry is safe and what to do
/// next. `detailed` adds what the kernel knows of the channels' connections.
std::string summary(const RunOutcome& outcome, bool detailed = false);

/// That last line by itself.
std::string ownership_line(const RunOutcome& outcome);

}  // namespace multifd
