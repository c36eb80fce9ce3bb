#include "engine/devices/vfio_user/backing_ownership.hpp"

#include <algorithm>
#include <utility>

namespace multifd::vfio_user {

BackingOwnership::BackingOwnership(std::vector<bool> runs)
    : runs_(std::move(runs)), held_(std::ranges::find(runs_, true) != runs_.end()) {}

BackingOwnership::Step BackingOwnership::before_running(std::size_t) const noexcept {
    return held_ ? Step::none : Step::take;
}

void BackingOwnership::runs(std::size_t device) noexcept {
    runs_[device] = true;
    held_ = true;
}

BackingOwnership::Step BackingOwnership::stopped(std::size_t device) noexcept {
    runs_[device] = false;
    const bool last = std::ranges::find(runs_, true) == runs_.end();
    if (!held_ || !last) return Step::none;
    held_ = false;
    return Step::release;
}

}  // namespace multifd::vfio_user
