// Memory that holds a device's whole state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace multifd {

/// Page-aligned, zeroed at first.
/// Ownership: moves; freed by the last owner.
class HeldMemory {
  public:
    HeldMemory() noexcept = default;
    /// Throws std::bad_alloc.
    explicit HeldMemory(std::uint64_t bytes);
    ~HeldMemory();
    HeldMemory(HeldMemory&& other) noexcept;
    HeldMemory& operator=(HeldMemory&& other) noexcept;

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

  private:
    std::span<std::byte> bytes_;
};

}  // namespace multifd
