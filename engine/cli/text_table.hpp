// TextTable: columns that line up.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace multifd {

/// Rows of equally many cells. The first column and those named as text lean left, numbers right.
class TextTable {
  public:
    /// A heading that begins with '<' leans left, without the '<'.
    explicit TextTable(std::vector<std::string> headings);
    void add(std::vector<std::string> cells);
    /// Every line is indented by two spaces and ended by a newline.
    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool empty() const noexcept { return rows_.size() == 1; }

  private:
    std::vector<bool> left_;
    std::vector<std::vector<std::string>> rows_;  ///< The first is the headings.
};

}  // namespace multifd
