// What receive --serve decides: where each migration's report goes, and when it has ended.
#pragma once

#include <cstdint>
#include <string>

#include "engine/cli/arguments.hpp"
#include "multifd/report.hpp"

namespace multifd {

/// "dst.json" becomes "dst-1.json"; standard output, a pipe or a terminal stays what it is.
std::string served_file(const std::string& file, std::uint64_t number);

/// Where the report of migration `number` goes: to a file of its own, or as one line after the
/// other.
ReportTarget served_report_target(const std::string& json, std::uint64_t number);

/// Whether a destination was cancelled, or failed, before any source had come: then there was no
/// migration.
bool ended_while_waiting(const Report& report);

}  // namespace multifd
