// Where a result goes: standard output, or a file that appears complete or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace multifd {

/// Whether `target` ("-" or a path) looks writable, so that a run does not end with a report that
/// has nowhere to go. Success says nothing certain: the disk may still fill up.
std::error_code check_result_target(const std::string& target);

/// Whether results follow each other there instead of taking each other's place: standard output,
/// or what exists and is no regular file.
bool is_result_stream(const std::string& target);

/// Writes `text` to standard output for "-", else to the file `target`: through a temporary file
/// beside it, fsync and rename. A target that exists and is no regular file (a pipe, /dev/null) is
/// written to directly, never replaced. On failure an existing file is left as it was.
std::error_code write_result(const std::string& target, std::string_view text);

/// Writes `pieces` one after the other to a new file, which then takes the place of whatever `path`
/// names, a link included: nothing is followed.
std::error_code replace_file(const std::string& path,
                             const std::vector<std::span<const std::byte>>& pieces);

}  // namespace multifd
