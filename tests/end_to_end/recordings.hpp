// The recordings of QEMU migrations in tests/captures, and an independent reading of them.
#pragma once

#include <string>
#include <vector>

#include "tests/end_to_end/command.hpp"

namespace multifd {

/// The path of every recording.
std::vector<std::string> recordings();
std::string recording_named(const std::string& name);

/// Runs tests/support/independent_reader.py, whose `mode` says what it writes into `target`; gives
/// its summary. Fails the test when it does.
JsonReport read_independently(const std::string& mode, const std::string& recording,
                              const std::string& target);

}  // namespace multifd
