// CallJournal: the last calls into the devices that are checked, in words.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <vector>

namespace multifd {

/// Limits:    keeps the last kCallsMax calls; the first line then says how many came before.
/// Threads:   not thread-safe.
class CallJournal {
  public:
    static constexpr std::size_t kCallsMax = 500;

    void note(std::string line);
    [[nodiscard]] std::vector<std::string> lines() const;

  private:
    std::deque<std::string> lines_;
    std::size_t dropped_ = 0;
};

}  // namespace multifd
