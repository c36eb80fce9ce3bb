// On which NUMA node memory is taken.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace multifd {

/// While it lives, memory that this thread touches first comes from `node` where there is some, and
/// so does what a BufferArena made meanwhile gets from whichever thread touches it.
/// Threads:   belongs to the thread that made it.
/// Errors:    none: without NUMA nothing changes, and active() says so.
class PreferredNode {
  public:
    explicit PreferredNode(std::optional<unsigned> node) noexcept;
    ~PreferredNode();
    PreferredNode(const PreferredNode&) = delete;
    PreferredNode& operator=(const PreferredNode&) = delete;

    [[nodiscard]] bool active() const noexcept { return active_; }

  private:
    bool active_ = false;
};

/// The same for a thread, until its end; false where the kernel has no such thing.
bool prefer_node(unsigned node) noexcept;

/// The node that this thread prefers, if any.
[[nodiscard]] std::optional<unsigned> preferred_node() noexcept;

/// Gives whole pages the node that the calling thread prefers, whoever touches them first.
void keep_preferred_node(std::span<std::byte> pages) noexcept;

/// The node that `pages` were told to come from; for tests.
[[nodiscard]] std::optional<unsigned> preferred_node_of(std::span<const std::byte> pages) noexcept;

}  // namespace multifd
