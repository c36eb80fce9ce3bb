#include "tests/end_to_end/command.hpp"

#include <filesystem>
#include <sstream>
#include <thread>

namespace multifd {
namespace {

std::string report_path(const std::string& folder) {
    return folder + "/report.json";
}
std::string output_path(const std::string& folder) {
    return folder + "/standard-output";
}
std::string error_path(const std::string& folder) {
    return folder + "/standard-error";
}

ProcessSettings settings_for(const std::string& folder, const Words& arguments,
                             const CommandSurroundings& surroundings) {
    std::filesystem::create_directories(folder);
    ProcessSettings settings;
    settings.arguments = surroundings.wrapper + Words{multifd_command()} + arguments;
    settings.environment = surroundings.environment;
    settings.environment.emplace_back("HOME", folder);
    settings.environment.emplace_back("XDG_STATE_HOME", folder + "/state");
    settings.address_space_bytes_max = surroundings.address_space_bytes_max;
    settings.standard_output = output_path(folder);
    settings.standard_error = error_path(folder);
    return settings;
}

}  // namespace

std::string multifd_command() {
    return MULTIFD_COMMAND;
}

Words words(std::string_view text) {
    std::istringstream stream{std::string(text)};
    Words result;
    for (std::string word; stream >> word;) result.push_back(word);
    return result;
}

Words operator+(Words left, const Words& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

std::string CommandEnd::text(std::string_view path) const {
    return report ? report->text(path) : std::string();
}

std::uint64_t CommandEnd::number(std::string_view path) const {
    return report ? report->number(path) : 0;
}

std::string describe(std::string_view who, const CommandEnd& end) {
    std::ostringstream text;
    text << "---- " << who << " ended with " << end.exit_code << '\n' << end.standard_error;
    if (!end.standard_output.empty()) text << "-- standard output\n" << end.standard_output;
    text << "-- report\n" << end.json_text;
    return text.str();
}

RunningCommand::RunningCommand(std::string folder, const Words& arguments,
                               const CommandSurroundings& surroundings)
    : folder_(std::move(folder)), process_(settings_for(folder_, arguments, surroundings)) {}

std::string RunningCommand::errors_so_far() const {
    return read_text(error_path(folder_));
}

CommandEnd RunningCommand::finish(std::chrono::milliseconds limit) {
    CommandEnd end;
    auto ended = process_.wait(limit);
    const bool hung = !ended;
    if (hung) {
        process_.kill();
        ended = process_.wait(kHangLimit);
    }
    end.exit_code = hung || !ended ? kHung : ended->exit_code;
    if (ended) end.resident_bytes_max = ended->resident_bytes_max;
    if (ended) end.cpu_seconds = ended->cpu_seconds;
    end.standard_output = read_text(output_path(folder_));
    end.standard_error = read_text(error_path(folder_));
    end.json_text = read_text(report_path(folder_));
    end.report = JsonReport::parse(end.json_text);
    return end;
}

std::string wait_for_address(const std::string& path, RunningCommand& command) {
    // A file has no readiness to wait for, so this looks again and again.
    const auto deadline = std::chrono::steady_clock::now() + kHangLimit;
    while (std::chrono::steady_clock::now() < deadline) {
        std::string address = read_text(path);
        if (address.ends_with('\n')) {
            address.pop_back();
            return address;
        }
        if (!command.running()) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return {};
}

CommandEnd run_command(const Words& arguments, const CommandSurroundings& surroundings) {
    const TemporaryFolder folder;
    RunningCommand command(folder.path(), arguments, surroundings);
    return command.finish();
}

CommandEnd run_command_with_report(const Words& arguments,
                                   const CommandSurroundings& surroundings) {
    const TemporaryFolder folder;
    RunningCommand command(folder.path(), arguments + Words{"--json", report_path(folder.path())},
                           surroundings);
    CommandEnd end = command.finish();
    const std::string fault = invalid_reports({report_path(folder.path())});
    if (!fault.empty()) {
        end.json_text += "\ninvalid by the schema: " + fault;
        end.report.reset();
    }
    return end;
}

std::string invalid_reports(const std::vector<std::string>& files) {
    const TemporaryFolder folder;
    ProcessSettings settings;
    settings.arguments =
        Words{"/usr/bin/python3", MULTIFD_SOURCE_FOLDER "/tests/support/validate_report.py",
              MULTIFD_SOURCE_FOLDER "/config/multifd-report.schema.json"} +
        files;
    settings.standard_output = folder / "output";
    settings.standard_error = folder / "errors";
    if (run_process(settings, kHangLimit).exit_code == 0) return {};
    const std::string said = read_text(folder / "output") + read_text(folder / "errors");
    return said.empty() ? "the validation failed silently" : said;
}

}  // namespace multifd
