// Circumstances: where and when a tuning was made.
#pragma once

#include <cstdint>
#include <string>

namespace multifd::tuning {

/// What is the same in all runs.
struct Circumstances {
    std::string started_at;              ///< "2026-11-20T13:14:45Z".
    std::string host;                    ///< Its name.
    std::string kernel;                  ///< "6.1.0-18-amd64".
    std::string processor;               ///< As /proc/cpuinfo names it; may be empty.
    std::uint32_t cores = 1;             ///< That this process may use.
    std::string congestion_control;      ///< The system's, for TCP; may be empty.
    std::uint64_t memory_available = 0;  ///< Bytes; 0 when unknown.
    std::string to;                      ///< The destination's address; empty over loopback.
};

/// Whether both ends share this host's processors: over loopback, or towards an address that only
/// this host reaches.
bool both_ends_here(const Circumstances& circumstances);

/// Here and now, towards `to`.
Circumstances circumstances_now(std::string to);

}  // namespace multifd::tuning
