// BackingOwnership: when devices that share a backing must have it, and when not. Sans-I/O.
//
// The backing (a disk image, say) belongs to this process while any of its devices runs. When the
// last one has stopped it is released, so that the process at the other end of a migration can take
// it; before the first one runs again it is taken back, which also undoes a migration that was
// cancelled or failed half way.
#pragma once

#include <cstddef>
#include <vector>

namespace multifd::vfio_user {

/// Threads:   not thread-safe; SharedBacking has the lock.
class BackingOwnership {
  public:
    enum class Step { none, take, release };

    /// One for each device: whether it runs. The backing is held exactly when one does.
    explicit BackingOwnership(std::vector<bool> runs);

    /// What must have succeeded before `device` may run; then say runs().
    [[nodiscard]] Step before_running(std::size_t device) const noexcept;
    /// `device` runs, or is about to and cannot be held back any more.
    void runs(std::size_t device) noexcept;
    /// `device`, workers included, does not touch the backing any more. What is to be done now.
    [[nodiscard]] Step stopped(std::size_t device) noexcept;

    [[nodiscard]] bool held() const noexcept { return held_; }

  private:
    std::vector<bool> runs_;
    bool held_ = false;
};

}  // namespace multifd::vfio_user
