// Which pages of a synthetic device are in which generation, by arithmetic alone.
#pragma once

#include <cstdint>

#include "engine/devices/state_content.hpp"

namespace multifd {

/// Pages that follow each other and were last written in the same generation.
struct PageRun {
    std::uint64_t offset = 0;  ///< Bytes.
    std::uint64_t bytes = 0;   ///< 0: an empty run. The state's last page may be short.
    std::uint64_t generation = 0;
};

/// The device writes its pages round robin. Write number n goes to page n % pages and makes
/// generation n / pages of it; writes 0 to pages - 1 happened before anything else. So the number
/// of writes says everything, in any size of state.
class DirtyRing {
  public:
    /// At most kContentBytesMax bytes.
    explicit DirtyRing(std::uint64_t state_bytes, std::uint64_t writes = 0) noexcept;

    [[nodiscard]] std::uint64_t state_bytes() const noexcept { return state_bytes_; }
    [[nodiscard]] std::uint64_t pages() const noexcept { return pages_; }
    [[nodiscard]] std::uint64_t writes() const noexcept { return writes_; }
    /// Whether every page is in generation 0.
    [[nodiscard]] bool untouched() const noexcept { return writes_ == pages_; }

    /// The device writes the next `pages` pages. Nothing happens in an empty state.
    void write(std::uint64_t pages) noexcept;

    /// The first write that is still some page's last.
    [[nodiscard]] std::uint64_t oldest() const noexcept { return writes_ - pages_; }

    /// The pages of writes [first, last), up to the end of the state or `pages_max`. Both within
    /// oldest() and writes().
    [[nodiscard]] PageRun run(std::uint64_t first, std::uint64_t last,
                              std::uint64_t pages_max) const noexcept;

    /// The write that makes `generation` of the page at `offset`.
    [[nodiscard]] std::uint64_t write_number(std::uint64_t offset,
                                             std::uint64_t generation) const noexcept {
        return generation * pages_ + offset / kContentPageBytes;
    }

  private:
    std::uint64_t state_bytes_;
    std::uint64_t pages_;
    std::uint64_t writes_;
};

}  // namespace multifd
