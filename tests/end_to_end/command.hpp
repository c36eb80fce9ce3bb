// The command under test, and one run of it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/process.hpp"
#include "tests/support/report_reader.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {

using Words = std::vector<std::string>;

#ifdef MULTIFD_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// What a sanitizer slows down gets that much more time and less data.
inline constexpr unsigned kSlowdown = kSanitized ? 8 : 1;

/// No wait in these tests is longer; the command's own deadlines are far shorter.
inline constexpr std::chrono::milliseconds kHangLimit = std::chrono::seconds(60) * kSlowdown;

/// The path of the command that the build made.
std::string multifd_command();

/// "--stall-timeout", "5s", ...: splits at blanks. Values with blanks are appended by themselves.
Words words(std::string_view text);
Words operator+(Words left, const Words& right);

/// How one run of the command ended.
struct CommandEnd {
    /// The process's, minus the signal that ended it, or kHung.
    int exit_code = 0;
    std::string standard_output;
    std::string standard_error;
    std::string json_text;
    std::optional<JsonReport> report;  ///< Empty unless json_text is one JSON document.
    std::uint64_t resident_bytes_max = 0;
    double cpu_seconds = 0;

    /// Of the report: empty or zero without one.
    [[nodiscard]] std::string text(std::string_view path) const;
    [[nodiscard]] std::uint64_t number(std::string_view path) const;
};

inline constexpr int kHung = -1000;

/// For INFO: exit code, both streams and the report.
std::string describe(std::string_view who, const CommandEnd& end);

/// Settings of a run that are not words of the command line.
struct CommandSurroundings {
    std::vector<std::pair<std::string, std::string>> environment;
    std::uint64_t address_space_bytes_max = 0;
    Words wrapper;  ///< Put before the command: "unshare", "-m", ...
};

/// A running command whose report, if it writes one, is FOLDER/report.json.
/// Ownership: `folder` must stay until the end; kills the process if it still runs.
class RunningCommand {
  public:
    RunningCommand(std::string folder, const Words& arguments,
                   const CommandSurroundings& surroundings = {});

    [[nodiscard]] Process& process() noexcept { return process_; }
    [[nodiscard]] bool running() { return process_.running(); }
    [[nodiscard]] std::string errors_so_far() const;
    /// Waits; a command that does not end within `limit` is killed and its exit code is kHung.
    CommandEnd finish(std::chrono::milliseconds limit = kHangLimit);

  private:
    std::string folder_;
    Process process_;
};

/// What `receive --address-file PATH` wrote, without its newline; empty when the command ended, or
/// wrote nothing within kHangLimit.
std::string wait_for_address(const std::string& path, RunningCommand& command);

/// Runs the command to its end in a folder of its own.
CommandEnd run_command(const Words& arguments, const CommandSurroundings& surroundings = {});
/// The same; the command's report goes to a file that `--json` is given for.
CommandEnd run_command_with_report(const Words& arguments,
                                   const CommandSurroundings& surroundings = {});

/// Empty when every document is valid by config/multifd-report.schema.json, else what is not.
std::string invalid_reports(const std::vector<std::string>& files);

}  // namespace multifd
