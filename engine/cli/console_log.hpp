// ConsoleLog: where the library's log lines go in the command.
#pragma once

#include <memory>
#include <string_view>

#include "engine/cli/console.hpp"
#include "engine/cli/option_values.hpp"
#include "multifd/log.hpp"

namespace multifd {

/// Prints lines as "2024-11-20T13:14:45.123Z 1a2b3c4d source active: message", through a bounded
/// queue and a thread of its own, so that a blocked stderr never blocks the engine.
/// Limits:    a line is dropped when thousands wait.
/// Ownership: the console outlives this object, and this object outlives its sinks' last use.
/// Threads:   sinks and line() may be called from any thread. The destructor prints what waits.
class ConsoleLog {
  public:
    /// What lies below `choice` is not printed.
    ConsoleLog(Console& console, LogChoice choice);
    ~ConsoleLog();
    ConsoleLog(const ConsoleLog&) = delete;
    ConsoleLog& operator=(const ConsoleLog&) = delete;

    [[nodiscard]] LogSink sink();
    void line(const LogLine& line);

  private:
    class Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace multifd
