// What this software calls itself.
#pragma once

#include <string_view>

namespace multifd {

inline constexpr std::string_view kVersion = "0.1.0";
inline constexpr std::string_view kSoftwareName = "multifd 0.1.0";

}  // namespace multifd
