#include "engine/cli/exit_codes.hpp"

#include <array>
#include <cstdio>

namespace multifd {
namespace {

constexpr std::array kExitCodes{
    ExitCode::completed,          ExitCode::internal,      ExitCode::usage,
    ExitCode::connection,         ExitCode::peer_failed,   ExitCode::device_failed,
    ExitCode::protocol_violation, ExitCode::verification,  ExitCode::timeout,
    ExitCode::cancelled,          ExitCode::unknown_owner, ExitCode::disagreement,
    ExitCode::host_failed,        ExitCode::resources,     ExitCode::downtime,
};

}  // namespace

const char* describe(ExitCode code) noexcept {
    switch (code) {
        case ExitCode::completed:
            return "completed";
        case ExitCode::internal:
            return "an internal fault of multifd";
        case ExitCode::usage:
            return "usage: an option, a device or a configuration file is wrong";
        case ExitCode::connection:
            return "a connection could not be made or broke";
        case ExitCode::peer_failed:
            return "the peer failed or died";
        case ExitCode::device_failed:
            return "a device failed, hung or rejected its state";
        case ExitCode::protocol_violation:
            return "the peer sent what the protocol forbids";
        case ExitCode::verification:
            return "the bytes that arrived are not those that were sent";
        case ExitCode::timeout:
            return "a deadline passed: a silent peer, a stall, a phase too long";
        case ExitCode::cancelled:
            return "cancelled, here or by the peer";
        case ExitCode::unknown_owner:
            return "this end cannot know who owns the devices: see multifd status";
        case ExitCode::disagreement:
            return "the two ends disagree on channels, devices or versions";
        case ExitCode::host_failed:
            return "the host program refused or failed a step";
        case ExitCode::resources:
            return "memory, disk or another resource of this end failed, results included";
        case ExitCode::downtime:
            return "refused by --strict-downtime: nothing was stopped";
    }
    return "unknown";
}

std::string exit_code_list() {
    std::string list = "exit codes:\n";
    for (const ExitCode code : kExitCodes) {
        std::array<char, 160> line{};
        std::snprintf(line.data(), line.size(), "  %3d  %s\n", static_cast<int>(code),
                      describe(code));
        list += line.data();
    }
    return list +
           "  130, 143  ended at once by a second SIGINT or SIGTERM (129: SIGHUP); who owns the\n"
           "            devices is then in the records alone\n";
}

}  // namespace multifd
