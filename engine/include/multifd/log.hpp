// Where the engine's sparse log lines go.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace multifd {

enum class LogLevel { debug, info, warning, error };

/// One line. The views are valid only during the call.
struct LogLine {
    LogLevel level = LogLevel::info;
    std::string_view session;  ///< 32 hexadecimal digits; empty before there is a session.
    std::string_view role;     ///< "source", "destination" or "listener".
    std::string_view phase;    ///< The status: "setup", "active", ...
    std::string_view message;
};

/// Called from several engine threads at once, never per packet. Must not block or throw; empty
/// means no log.
using LogSink = std::function<void(const LogLine&)>;

}  // namespace multifd
