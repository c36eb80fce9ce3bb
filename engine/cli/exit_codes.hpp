// What the command exits with, in words: the end of --help, and the table in README.
#pragma once

#include <string>

#include "channels/wire/error.hpp"

namespace multifd {

/// "the peer failed or died", ...: one line for each exit code.
const char* describe(ExitCode code) noexcept;

/// "exit codes:" and one indented line for each code, ended by a line about signals.
std::string exit_code_list();

}  // namespace multifd
