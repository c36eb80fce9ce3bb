#include "engine/devices/dma_log.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "engine/devices/dma_bitmap.hpp"

namespace multifd {
namespace {

CallResult refuse(const std::string& why) {
    return CallResult::failure(std::errc::invalid_argument, why);
}

bool ends_in_range(DmaRange range) noexcept {
    return range.size != 0 && range.size - 1 <= ~range.iova;
}

bool overlap(DmaRange left, DmaRange right) noexcept {
    const DmaRange& first = left.iova <= right.iova ? left : right;
    const DmaRange& second = left.iova <= right.iova ? right : left;
    return second.iova - first.iova < first.size;
}

bool inside(DmaRange part, DmaRange whole) noexcept {
    return part.iova >= whole.iova && part.iova - whole.iova < whole.size &&
           part.size <= whole.size - (part.iova - whole.iova);
}

std::string text_of(DmaRange range) {
    return std::to_string(range.size) + " bytes from address " + std::to_string(range.iova);
}

CallResult check_page_size(std::uint64_t page_size) {
    if (std::has_single_bit(page_size) && page_size >= DmaLog::kPageBytes) {
        return CallResult::success();
    }
    return refuse("a page of " + std::to_string(page_size) +
                  " bytes cannot be logged; a power of two from 4096 on can");
}

}  // namespace

CallResult DmaLog::start(std::uint64_t memory_bytes, std::uint64_t page_size,
                         std::span<const DmaRange> ranges) {
    if (on()) return refuse("DMA is being logged already");
    CallResult page = check_page_size(page_size);
    if (!page.ok()) return page;
    if (ranges.empty()) return refuse("no range to log");
    for (std::size_t index = 0; index < ranges.size(); ++index) {
        if (!ends_in_range(ranges[index])) return refuse("no range: " + text_of(ranges[index]));
        for (const DmaRange& other : ranges.subspan(index + 1)) {
            if (overlap(ranges[index], other)) {
                return refuse("overlapping ranges: " + text_of(ranges[index]) + ", and " +
                              text_of(other));
            }
        }
    }
    written_.assign((memory_bytes + kPageBytes - 1) / kPageBytes, false);
    ranges_.assign(ranges.begin(), ranges.end());
    return CallResult::success();
}

bool DmaLog::logged(DmaRange part) const noexcept {
    return std::ranges::any_of(ranges_, [&](DmaRange range) { return overlap(part, range); });
}

void DmaLog::note(std::uint64_t offset, std::uint64_t bytes) noexcept {
    if (!on() || bytes == 0) return;
    const std::uint64_t last = (offset + bytes - 1) / kPageBytes;
    for (std::uint64_t page = offset / kPageBytes; page <= last && page < written_.size(); ++page) {
        if (logged({page * kPageBytes, kPageBytes})) written_[page] = true;
    }
}

CallResult DmaLog::report(DmaRange range, std::uint64_t page_size,
                          std::span<std::uint64_t> bitmap) {
    if (!on()) return refuse("DMA is not being logged");
    CallResult page = check_page_size(page_size);
    if (!page.ok()) return page;
    const auto holds = [range](DmaRange whole) { return inside(range, whole); };
    if (range.size == 0 || std::ranges::none_of(ranges_, holds)) {
        return refuse("not among the logged ranges: " + text_of(range));
    }
    const std::uint64_t pages = dma_pages(range, page_size);
    if (bitmap.size() < dma_bitmap_words(pages)) {
        return refuse("a bitmap of " + std::to_string(bitmap.size()) + " words is too short for " +
                      std::to_string(pages) + " pages");
    }
    const std::uint64_t end = (range.iova + (range.size - 1)) / kPageBytes;
    for (std::uint64_t own = range.iova / kPageBytes; own <= end && own < written_.size(); ++own) {
        if (!written_[own]) continue;
        written_[own] = false;
        const std::uint64_t place = std::max(own * kPageBytes, range.iova) - range.iova;
        bitmap[place / page_size / 64] |= std::uint64_t{1} << (place / page_size % 64);
    }
    return CallResult::success();
}

CallResult DmaLog::stop() {
    if (!on()) return refuse("DMA is not being logged");
    ranges_.clear();
    written_.clear();
    return CallResult::success();
}

}  // namespace multifd
