// What raw_pipe is asked to do:
//
//     raw_pipe [--variant direct|buffered] [--size MIB] [--connections N] [--piece KIB]
//              [--hash on|off] [--reuse on|off] [--huge-pages on|off] [--congestion-control NAME]
//              [--verify on|off]
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace raw_pipe {

inline constexpr std::size_t kHashedBytes = 1024 * 1024;  ///< What one hash covers.

struct Options {
    bool buffered = false;
    bool hash = false;
    bool huge_pages = true;
    bool reuse = false;   ///< Each thread moves one piece of its own again and again.
    bool verify = false;  ///< Compares both memories afterwards, outside of what is measured.
    std::size_t bytes = 1024 * kHashedBytes;
    std::size_t piece_bytes = kHashedBytes;  ///< Per call; divides kHashedBytes.
    std::size_t connections = 1;             ///< At most one for each kHashedBytes.
    std::string congestion_control;          ///< Empty: the system's.
};

/// From the words behind the program's name. Throws std::invalid_argument.
Options parse(std::span<char*> words);

}  // namespace raw_pipe
