// Memory that is there before it is needed.
#pragma once

#include <cstddef>
#include <span>

namespace multifd {

/// Faults the pages of `memory` in for writing, so that nobody waits for that later; what they hold
/// stays. As far as the kernel can: a page that cannot be had now is faulted in when it is touched.
void populate(std::span<std::byte> memory) noexcept;

}  // namespace multifd
