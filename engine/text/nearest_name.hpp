// What a user who misspelt a name probably meant.
#pragma once

#include <span>
#include <string_view>

namespace multifd {

/// The candidate with the fewest edits (insert, remove, replace, swap of neighbours; case and '_'
/// for '-' are free) from `name`; the first of several; empty only when there are no candidates.
[[nodiscard]] std::string_view nearest_name(std::string_view name,
                                            std::span<const std::string_view> candidates);

}  // namespace multifd
