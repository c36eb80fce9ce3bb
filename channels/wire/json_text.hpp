// What must hold of a peer's JSON before a parser may see it.
#pragma once

#include <cstddef>
#include <string_view>

namespace multifd {

/// Whether arrays and objects nest at most `depth_max` deep: parsers, and the destructors of what
/// they build, may recurse, and 64 KiB of '[' must not cost 65536 stack frames.
bool json_nesting_within(std::string_view text, std::size_t depth_max) noexcept;

}  // namespace multifd
