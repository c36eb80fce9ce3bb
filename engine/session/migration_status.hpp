// QEMU's migration status as a table: which status may follow which.
#pragma once

#include <span>

#include "multifd/report.hpp"

namespace multifd {

/// Both roles start at none and end at completed, failed or cancelled.
///
///     source       none -> setup -> active -> [pre_switchover ->] device -> completed
///     destination  none -> setup -> active -> [device ->] completed
///
///     none, setup, active, pre_switchover, device  -> failed
///     none, setup, active, pre_switchover, device  -> cancelling
///     cancelling     -> cancelled, or failed; or completed, when it came too late
///     device         -> unknown_owner
///     cancelling     -> unknown_owner   destination only: it asked, and heard no answer
///     unknown_owner  -> completed, failed, cancelled   by what is learnt later
///
/// A status never follows itself.
bool may_follow(Role role, Status from, Status to) noexcept;

/// All that may follow `from`.
std::span<const Status> followers(Role role, Status from) noexcept;

/// Whether a migration has ended: completed, failed, cancelled.
bool is_final(Status status) noexcept;

/// The status of one migration.
/// Threads:   not thread-safe; the session guards it.
class StatusTracker {
  public:
    explicit StatusTracker(Role role) noexcept : role_(role) {}
    [[nodiscard]] Status status() const noexcept { return status_; }
    [[nodiscard]] Role role() const noexcept { return role_; }
    /// Asserts that `next` may follow: a wrong order is the engine's own mistake.
    void set(Status next);
    /// False, and no change, when `next` may not follow.
    [[nodiscard]] bool try_set(Status next) noexcept;

  private:
    Role role_;
    Status status_ = Status::none;
};

}  // namespace multifd
