#include "engine/conformance/call_journal.hpp"

#include <utility>

namespace multifd {

void CallJournal::note(std::string line) {
    lines_.push_back(std::move(line));
    if (lines_.size() <= kCallsMax) return;
    lines_.pop_front();
    ++dropped_;
}

std::vector<std::string> CallJournal::lines() const {
    std::vector<std::string> all;
    if (dropped_ != 0) all.push_back("(" + std::to_string(dropped_) + " calls before)");
    all.insert(all.end(), lines_.begin(), lines_.end());
    return all;
}

}  // namespace multifd
