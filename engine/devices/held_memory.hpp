// Memory that holds a device's whole state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "channels/memory/buffer_arena.hpp"

namespace multifd {

/// Page-aligned, zeroed at first.
/// Ownership: moves; freed by the last owner.
class HeldMemory {
  public:
    HeldMemory() noexcept = default;
    /// With `when` yes all of it is there when the constructor returns. Throws std::bad_alloc.
    explicit HeldMemory(std::uint64_t bytes, Populate when = Populate::no);
    ~HeldMemory();
    HeldMemory(HeldMemory&& other) noexcept;
    HeldMemory& operator=(HeldMemory&& other) noexcept;

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

  private:
    std::span<std::byte> bytes_;
};

}  // namespace multifd
