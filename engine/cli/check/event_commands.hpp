// EventCommands: what the user wants to be run while devices are checked.
#pragma once

#include <chrono>
#include <stop_token>
#include <string_view>
#include <vector>

#include "engine/cli/check/choices.hpp"
#include "multifd/conformance.hpp"

namespace multifd::checking {

/// Runs `sh -c COMMAND` for each command of an event, one after the other, with MULTIFD_EVENT and
/// MULTIFD_ITEM in its environment and its standard output on this process's standard error.
/// Blocking:  until the command has ended. A stop, and `limit` for each command, ends it and what
///            it has started, by SIGTERM, and by SIGKILL a second later.
/// Errors:    a command that does not exit with 0 in time fails the event, and those after it do
///            not run.
class EventCommands {
  public:
    EventCommands(std::vector<EventCommand> commands, std::chrono::milliseconds limit,
                  std::stop_token stop)
        : commands_(std::move(commands)), limit_(limit), stop_(std::move(stop)) {}

    CallResult run(CheckEvent event, std::string_view item) const;

  private:
    [[nodiscard]] CallResult run_one(const EventCommand& command, std::string_view item) const;

    std::vector<EventCommand> commands_;
    std::chrono::milliseconds limit_;
    std::stop_token stop_;
};

}  // namespace multifd::checking
