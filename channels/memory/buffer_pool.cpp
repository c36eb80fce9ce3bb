#include "channels/memory/buffer_pool.hpp"

#include <algorithm>
#include <limits>

#include "channels/wire/assert.hpp"

namespace multifd {

PooledBuffer::~PooledBuffer() {
    if (pool_ != nullptr) pool_->give_back(index_);
}

std::span<std::byte> PooledBuffer::bytes() const {
    return pool_ == nullptr ? std::span<std::byte>{} : pool_->arena_.at(index_);
}

BufferPool::BufferPool(std::size_t buffer_bytes, std::size_t count, Populate populate)
    : arena_(buffer_bytes, count, populate) {
    MULTIFD_ASSERT(count < std::numeric_limits<std::uint32_t>::max());
    free_.reserve(count);
    for (std::size_t i = count; i > 0; --i) free_.push_back(static_cast<std::uint32_t>(i - 1));
}

std::optional<PooledBuffer> BufferPool::acquire() {
    std::unique_lock lock(mutex_);
    given_back_.wait(lock, [this] { return aborted_ || !free_.empty(); });
    if (aborted_) return std::nullopt;
    return take_locked();
}

std::optional<PooledBuffer> BufferPool::try_acquire() {
    const std::lock_guard lock(mutex_);
    if (aborted_ || free_.empty()) return std::nullopt;
    return take_locked();
}

void BufferPool::abort() noexcept {
    {
        const std::lock_guard lock(mutex_);
        aborted_ = true;
    }
    given_back_.notify_all();
}

std::size_t BufferPool::in_use() const {
    const std::lock_guard lock(mutex_);
    return arena_.count() - free_.size();
}

std::size_t BufferPool::peak_in_use() const {
    const std::lock_guard lock(mutex_);
    return peak_in_use_;
}

PooledBuffer BufferPool::take_locked() {
    const std::uint32_t index = free_.back();
    free_.pop_back();
    peak_in_use_ = std::max(peak_in_use_, arena_.count() - free_.size());
    return {*this, index};
}

// Never reallocates: the room for every index was reserved at construction.
void BufferPool::give_back(std::uint32_t index) noexcept {
    {
        const std::lock_guard lock(mutex_);
        free_.push_back(index);
    }
    given_back_.notify_one();
}

}  // namespace multifd
