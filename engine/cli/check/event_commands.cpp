#include "engine/cli/check/event_commands.hpp"

#include <signal.h>

#include <string>
#include <system_error>

#include "engine/cli/child_process.hpp"

namespace multifd::checking {
namespace {

// How long a stop may be unnoticed while a command runs.
constexpr std::chrono::milliseconds kLookEvery{100};
constexpr std::chrono::seconds kPartingPatience{1};

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
        std::optional<int> code;
        while (!code && !stop_.stop_requested()) code = child.wait(kLookEvery);
        if (!code) {
            child.signal(SIGTERM);
            code = child.wait(kPartingPatience);
        }
        if (code == 0) return CallResult::success();
        return CallResult::failure(
            std::errc::operation_canceled,
            name + (code ? " ended with " + std::to_string(*code) : std::string(" was killed")));
    } catch (const std::system_error& error) {
        return CallResult::failure(error.code(), name + " cannot be run: " + error.what());
    }
}

}  // namespace multifd::checking
