#include "engine/cli/check/event_commands.hpp"

#include <algorithm>
#include <string>
#include <system_error>

#include "engine/cli/child_process.hpp"
#include "engine/text/quantity.hpp"

namespace multifd::checking {
namespace {

// How long a stop may be unnoticed while a command runs.
constexpr std::chrono::milliseconds kLookEvery{100};
constexpr std::chrono::seconds kPartingPatience{1};

/// Its exit code, or empty when `deadline` has passed or a stop was requested.
std::optional<int> wait(ChildProcess& child, std::chrono::steady_clock::time_point deadline,
                        const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        const auto code = child.wait(std::clamp(left, std::chrono::milliseconds(0), kLookEvery));
        if (code || left.count() <= 0) return code;
    }
    return std::nullopt;
}

}  // namespace

CallResult EventCommands::run(CheckEvent event, std::string_view item) const {
    for (const EventCommand& command : commands_) {
        if (command.event != to_string(event)) continue;
        CallResult ran = run_one(command, item);
        if (!ran.ok()) return ran;
    }
    return CallResult::success();
}

CallResult EventCommands::run_one(const EventCommand& command, std::string_view item) const {
    const std::vector<std::string> words{"env",
                                         "MULTIFD_EVENT=" + command.event,
                                         "MULTIFD_ITEM=" + std::string(item),
                                         "sh",
                                         "-c",
                                         command.command};
    const std::string name = "command \"" + command.command + "\"";
    try {
        ChildProcess child("/usr/bin/env", words, {});
        const auto began = std::chrono::steady_clock::now();
        const std::optional<int> code = wait(child, began + limit_, stop_);
        if (code == 0) return CallResult::success();
        if (code) {
            return CallResult::failure(std::errc::operation_canceled,
                                       name + " ended with " + std::to_string(*code));
        }
        const bool stopped = stop_.stop_requested();
        const int ended = child.end_group(kPartingPatience);
        if (stopped) {
            return CallResult::failure(
                std::errc::operation_canceled,
                name + " was stopped, and ended with " + std::to_string(ended));
        }
        return CallResult::failure(std::errc::timed_out, name + " has not ended within " +
                                                             format_time(limit_) +
                                                             " (--stall-timeout), and was killed");
    } catch (const std::system_error& error) {
        return CallResult::failure(error.code(), name + " cannot be run: " + error.what());
    }
}

}  // namespace multifd::checking
