// Where a result goes: standard output, or a file that appears complete or not at all.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
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

/// How long a result waits for somebody to take it.
using WritePatience = std::optional<std::chrono::milliseconds>;

/// For a named pipe in particular, whose reader may never come.
inline constexpr std::chrono::seconds kReaderPatience{10};

/// Writes `text` to standard output for "-", else to the file `target`: through a temporary file
/// beside it, fsync and rename. A target that exists and is no regular file (a pipe, /dev/null) is
/// written to directly, never replaced. On failure an existing file is left as it was.
/// Blocking:  until `patience` has passed without anybody taking a byte: timed_out, or
///            no_such_device_or_address when a named pipe has no reader by then. Without one
///            standard output waits for ever, a named pipe for kReaderPatience. `reader_missing` is
///            called once when such a wait begins.
std::error_code write_result(const std::string& target, std::string_view text,
                             WritePatience patience = {},
                             const std::function<void()>& reader_missing = {});

/// Writes `pieces` one after the other to a new file, which then takes the place of whatever `path`
/// names, a link included: nothing is followed.
std::error_code replace_file(const std::string& path,
                             const std::vector<std::span<const std::byte>>& pieces);
/// The same of pieces that are made one by one: `next` gives each, valid until it is called again,
/// and nothing at the end.
using PieceMaker = std::function<std::optional<std::span<const std::byte>>()>;
std::error_code make_file(const std::string& path, const PieceMaker& next);

}  // namespace multifd
