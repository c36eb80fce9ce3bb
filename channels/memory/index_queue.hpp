// A blocking queue of small numbers: the one place where threads wait for each other's work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace multifd {

/// First in, first out over all threads: what is pushed gets one place in one global order, and
/// every popper sees a subsequence of that order.
/// Limits:    at most `count_max` indices at once (the caller sees to that); push never blocks.
/// Threads:   push, pop and try_pop from any thread.
/// Errors:    the constructor throws std::bad_alloc. Nothing allocates after it.
///
/// There is no abort: a wait ends with an index and in no other way, so that no wake-up can fall
/// between a check and a wait. Who wants waiters to leave pushes an index that tells them so.
///
/// oneTBB's concurrent_bounded_queue inside; with MULTIFD_PLAIN_QUEUE a mutex and a ring of the
/// same behaviour, because the thread sanitizer cannot see into Debian's libtbb.
class IndexQueue {
  public:
    explicit IndexQueue(std::size_t count_max);
    ~IndexQueue();
    IndexQueue(const IndexQueue&) = delete;
    IndexQueue& operator=(const IndexQueue&) = delete;

    void push(std::uint32_t index);
    [[nodiscard]] std::uint32_t pop();  ///< Blocks while empty.
    [[nodiscard]] bool try_pop(std::uint32_t& index);

  private:
    class Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace multifd
