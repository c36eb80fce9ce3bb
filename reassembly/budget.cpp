#include "reassembly/budget.hpp"

#include <algorithm>

#include "channels/wire/assert.hpp"

namespace multifd {

Budget::Budget(std::size_t buffer_bytes, std::uint32_t buffers)
    : buffer_bytes_(buffer_bytes), buffers_(buffers) {
    MULTIFD_ASSERT(buffer_bytes >= 1);
    MULTIFD_ASSERT(buffers >= 1 && buffers < kOverLimitBuffer);
    free_.reserve(buffers);
    for (std::uint32_t i = buffers; i > 0; --i) free_.push_back(i - 1);
}

std::uint32_t Budget::take_buffer() {
    MULTIFD_ASSERT(has_buffer());
    const std::uint32_t buffer = free_.back();
    free_.pop_back();
    note_peak();
    return buffer;
}

void Budget::take_token(std::size_t packet_bytes) {
    MULTIFD_ASSERT(has_token());
    token_bytes_ = std::max(buffer_bytes_, packet_bytes);
    note_peak();
}

void Budget::give_back(std::uint32_t buffer) {
    if (buffer == kOverLimitBuffer) {
        MULTIFD_ASSERT(!has_token());
        token_bytes_ = 0;
        return;
    }
    MULTIFD_ASSERT(buffer < buffers_ && free_.size() < buffers_);
    free_.push_back(buffer);
}

std::uint32_t Budget::taken() const noexcept {
    return buffers_ - static_cast<std::uint32_t>(free_.size());
}

std::size_t Budget::queued_bytes() const noexcept {
    return taken() * buffer_bytes_ + token_bytes_;
}

void Budget::note_peak() noexcept {
    peak_queued_bytes_ = std::max(peak_queued_bytes_, queued_bytes());
}

}  // namespace multifd
