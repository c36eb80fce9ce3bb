#include "channels/memory/index_queue.hpp"

#ifndef MULTIFD_PLAIN_QUEUE

#include <tbb/concurrent_queue.h>

#include "channels/memory/page_recycler.hpp"

namespace multifd {

// The queue's capacity stays infinite: its bound is the caller's, so push never waits, and oneTBB's
// abort(), which reaches only those already waiting and may lose elements, is never needed.
class IndexQueue::Implementation {
  public:
    explicit Implementation(std::size_t count_max)
        : queue_(RecyclingAllocator<std::uint32_t>(recycler_)) {
        // oneTBB spreads elements over 8 inner queues with pages of 32 four-byte elements, and
        // frees a page late, when its last element has left. One page more for each inner queue
        // than the elements fill covers every phase of the rings; a second covers poppers that are
        // about to give their page back.
        constexpr std::size_t kElementsOfAllPages = 8 * 32;
        const std::size_t warm_up = count_max + 2 * kElementsOfAllPages;
        for (std::size_t i = 0; i < warm_up; ++i) queue_.push(0);
        std::uint32_t dropped = 0;
        while (queue_.try_pop(dropped)) {
        }
    }

    void push(std::uint32_t index) { queue_.push(index); }
    std::uint32_t pop() {
        std::uint32_t index = 0;
        queue_.pop(index);
        return index;
    }
    bool try_pop(std::uint32_t& index) { return queue_.try_pop(index); }

  private:
    PageRecycler recycler_;  // Outlives the queue, which gives its pages back to it.
    tbb::concurrent_bounded_queue<std::uint32_t, RecyclingAllocator<std::uint32_t>> queue_;
};

}  // namespace multifd

#else

#include <condition_variable>
#include <mutex>
#include <vector>

#include "channels/wire/assert.hpp"

namespace multifd {

class IndexQueue::Implementation {
  public:
    explicit Implementation(std::size_t count_max) : ring_(count_max) {}

    void push(std::uint32_t index) {
        {
            const std::lock_guard lock(mutex_);
            MULTIFD_ASSERT(count_ < ring_.size());
            ring_[(first_ + count_) % ring_.size()] = index;
            ++count_;
        }
        pushed_.notify_one();
    }
    std::uint32_t pop() {
        std::unique_lock lock(mutex_);
        pushed_.wait(lock, [this] { return count_ > 0; });
        return take();
    }
    bool try_pop(std::uint32_t& index) {
        const std::lock_guard lock(mutex_);
        if (count_ == 0) return false;
        index = take();
        return true;
    }

  private:
    std::uint32_t take() {
        const std::uint32_t index = ring_[first_];
        first_ = (first_ + 1) % ring_.size();
        --count_;
        return index;
    }

    std::mutex mutex_;
    std::condition_variable pushed_;
    std::vector<std::uint32_t> ring_;
    std::size_t first_ = 0;
    std::size_t count_ = 0;
};

}  // namespace multifd

#endif

namespace multifd {

IndexQueue::IndexQueue(std::size_t count_max)
    : implementation_(std::make_unique<Implementation>(count_max)) {}
IndexQueue::~IndexQueue() = default;

void IndexQueue::push(std::uint32_t index) {
    implementation_->push(index);
}
std::uint32_t IndexQueue::pop() {
    return implementation_->pop();
}
bool IndexQueue::try_pop(std::uint32_t& index) {
    return implementation_->try_pop(index);
}

}  // namespace multifd
