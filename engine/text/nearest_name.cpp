#include "engine/text/nearest_name.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace multifd {
namespace {

char folded(char letter) noexcept {
    if (letter == '_') return '-';
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

/// The optimal string alignment distance, row by row; a swap looks two rows back.
std::size_t edit_distance(std::string_view left, std::string_view right) {
    std::vector<std::size_t> before(right.size() + 1);
    std::vector<std::size_t> above(right.size() + 1);
    std::vector<std::size_t> row(right.size() + 1);
    for (std::size_t column = 0; column <= right.size(); ++column) row[column] = column;
    for (std::size_t line = 1; line <= left.size(); ++line) {
        std::swap(before, above);
        std::swap(above, row);
        row[0] = line;
        for (std::size_t column = 1; column <= right.size(); ++column) {
            const char here = folded(left[line - 1]);
            const char there = folded(right[column - 1]);
            const std::size_t replaced = above[column - 1] + (here == there ? 0 : 1);
            row[column] = std::min({replaced, above[column] + 1, row[column - 1] + 1});
            if (line > 1 && column > 1 && here == folded(right[column - 2]) &&
                folded(left[line - 2]) == there) {
                row[column] = std::min(row[column], before[column - 2] + 1);
            }
        }
    }
    return row[right.size()];
}

/// Whether `name` is how `candidate` begins: cut short, not misspelt.
bool begins(std::string_view candidate, std::string_view name) noexcept {
    if (name.empty() || name.size() > candidate.size()) return false;
    return std::ranges::equal(name, candidate.substr(0, name.size()), {}, folded, folded);
}

}  // namespace

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> candidates) {
    // Nobody means a name of this project by more; it keeps the work small for hostile lengths.
    constexpr std::size_t kComparedMax = 256;
    const std::string_view compared = name.substr(0, kComparedMax);
    std::string_view nearest;
    std::size_t fewest = std::numeric_limits<std::size_t>::max();
    for (const std::string_view candidate : candidates) {
        if (begins(candidate, compared)) return candidate;
    }
    for (const std::string_view candidate : candidates) {
        const std::size_t edits = edit_distance(compared, candidate);
        if (edits < fewest) {
            fewest = edits;
            nearest = candidate;
        }
    }
    return nearest;
}

}  // namespace multifd
