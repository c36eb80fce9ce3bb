#include "engine/devices/dirty_ring.hpp"

#include <algorithm>

namespace multifd {

DirtyRing::DirtyRing(std::uint64_t state_bytes, std::uint64_t writes) noexcept
    : state_bytes_(state_bytes),
      pages_((state_bytes + kContentPageBytes - 1) / kContentPageBytes),
      writes_(std::max(writes, pages_)) {}

void DirtyRing::write(std::uint64_t pages) noexcept {
    if (pages_ != 0) writes_ += pages;
}

PageRun DirtyRing::run(std::uint64_t first, std::uint64_t last,
                       std::uint64_t pages_max) const noexcept {
    if (pages_ == 0 || first >= last) return {};
    const std::uint64_t page = first % pages_;
    const std::uint64_t count = std::min({last - first, pages_ - page, pages_max});
    const std::uint64_t offset = page * kContentPageBytes;
    const std::uint64_t end = std::min((page + count) * kContentPageBytes, state_bytes_);
    return {offset, end - offset, first / pages_};
}

}  // namespace multifd
