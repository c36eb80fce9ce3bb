// What this software calls itself.
#pragma once

#include <string>

namespace multifd {

/// "multifd 0.1.0"; the number is the build's.
std::string software_name();

}  // namespace multifd
