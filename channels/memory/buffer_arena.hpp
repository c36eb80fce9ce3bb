// Page-aligned buffers of one size in one mapping, reached by their index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace multifd {

/// Whether the memory is faulted in at construction or when first touched.
enum class Populate { no, yes };

/// `count` buffers of `buffer_bytes`, each starting on a page, zeroed at first. Huge pages are
/// asked for where the mapping is large enough; the kernel decides. The memory comes from the NUMA
/// node that the constructing thread prefers (PreferredNode), whichever thread touches it first.
/// Limits:    never grows. Address space is taken at once, memory when touched (or with
///            Populate::yes, as far as the kernel can).
/// Ownership: owns the mapping; spans are valid for the arena's life.
/// Threads:   constant after construction; who may touch which buffer is the caller's affair.
/// Errors:    the constructor throws std::bad_alloc.
class BufferArena {
  public:
    BufferArena(std::size_t buffer_bytes, std::size_t count, Populate when = Populate::no);
    ~BufferArena();
    BufferArena(const BufferArena&) = delete;
    BufferArena& operator=(const BufferArena&) = delete;

    [[nodiscard]] std::span<std::byte> at(std::size_t index) const;
    [[nodiscard]] std::size_t buffer_bytes() const noexcept { return buffer_bytes_; }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

  private:
    std::size_t buffer_bytes_;
    std::size_t count_;
    std::size_t stride_bytes_;  ///< buffer_bytes rounded up to whole pages.
    std::byte* mapping_ = nullptr;
    std::size_t mapping_bytes_ = 0;
    std::byte* first_ = nullptr;  ///< Where buffer 0 starts: aligned to a huge page if worthwhile.
};

}  // namespace multifd
