// Where a result goes: standard output, or a file that appears complete or not at all.
#pragma once

#include <string>
#include <string_view>
#include <system_error>

namespace multifd {

/// Whether `target` ("-" or a path) looks writable, so that a run does not end with a report that
/// has nowhere to go. Success says nothing certain: the disk may still fill up.
std::error_code check_result_target(const std::string& target);

/// Writes `text` to standard output for "-", else to the file `target`: through a temporary file
/// beside it, fsync and rename. A target that exists and is no regular file (a pipe, /dev/null) is
/// written to directly, never replaced. On failure an existing file is left as it was.
std::error_code write_result(const std::string& target, std::string_view text);

}  // namespace multifd
