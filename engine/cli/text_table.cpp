#include "engine/cli/text_table.hpp"

#include <algorithm>

#include "channels/wire/assert.hpp"
#include "engine/cli/printable_text.hpp"

namespace multifd {

TextTable::TextTable(std::vector<std::string> headings) {
    for (std::string& heading : headings) {
        left_.push_back(heading.starts_with('<'));
        if (left_.back()) heading.erase(0, 1);
    }
    rows_.push_back(std::move(headings));
}

void TextTable::add(std::vector<std::string> cells) {
    MULTIFD_ASSERT(cells.size() == left_.size());
    for (std::string& cell : cells) cell = printable(cell);
    rows_.push_back(std::move(cells));
}

std::string TextTable::text() const {
    std::vector<std::size_t> widths(left_.size(), 0);
    for (const auto& row : rows_) {
        for (std::size_t column = 0; column < row.size(); ++column) {
            widths[column] = std::max(widths[column], row[column].size());
        }
    }
    std::string text;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t column = 0; column < row.size(); ++column) {
            const std::string gap(widths[column] - row[column].size(), ' ');
            line += "  " + (left_[column] ? row[column] + gap : gap + row[column]);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

}  // namespace multifd
