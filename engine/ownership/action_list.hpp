// ActionList: what an ownership machine asks for, in order.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <initializer_list>

#include "channels/wire/assert.hpp"

namespace multifd {

/// At most six actions, to be done in their order; no allocation.
template <class Action>
class ActionList {
  public:
    static constexpr std::size_t kActionsMax = 6;

    ActionList() = default;
    ActionList(std::initializer_list<Action> actions) {
        for (const Action action : actions) add(action);
    }

    void add(Action action) {
        MULTIFD_ASSERT(size_ < kActionsMax);
        actions_[size_] = action;
        ++size_;
    }
    [[nodiscard]] const Action* begin() const noexcept { return actions_.data(); }
    [[nodiscard]] const Action* end() const noexcept { return actions_.data() + size_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] bool contains(Action action) const noexcept {
        return std::find(begin(), end(), action) != end();
    }
    bool operator==(const ActionList& other) const noexcept {
        return std::equal(begin(), end(), other.begin(), other.end());
    }

  private:
    std::array<Action, kActionsMax> actions_{};
    std::size_t size_ = 0;
};

}  // namespace multifd
