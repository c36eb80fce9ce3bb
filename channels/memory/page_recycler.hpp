// Keeps freed blocks of one size for the next allocation: oneTBB's queue never goes to the heap.
#pragma once

#include <cstddef>
#include <mutex>
#include <new>

namespace multifd {

/// A free list of equally large blocks. The queue allocates and frees a page for every few dozen
/// elements; after warm-up each of those comes from here.
/// Ownership: owns what has been given back; the queue gives everything back before this ends.
/// Threads:   all members from any thread.
/// Errors:    allocate throws std::bad_alloc, only when the list is empty.
class PageRecycler {
  public:
    PageRecycler() = default;
    PageRecycler(const PageRecycler&) = delete;
    PageRecycler& operator=(const PageRecycler&) = delete;
    ~PageRecycler() {
        while (free_ != nullptr) {
            Block* const block = free_;
            free_ = block->next;
            ::operator delete(block, kAlignment);
        }
    }

    void* allocate(std::size_t bytes) {
        {
            const std::lock_guard lock(mutex_);
            if (free_ != nullptr && bytes == block_bytes_) {
                Block* const block = free_;
                free_ = block->next;
                return block;
            }
        }
        return ::operator new(bytes < sizeof(Block) ? sizeof(Block) : bytes, kAlignment);
    }

    void deallocate(void* memory, std::size_t bytes) noexcept {
        const std::lock_guard lock(mutex_);
        if (block_bytes_ == 0) block_bytes_ = bytes;
        if (bytes != block_bytes_) return ::operator delete(memory, kAlignment);
        free_ = ::new (memory) Block{free_};
    }

  private:
    struct Block {
        Block* next;
    };
    static constexpr std::align_val_t kAlignment{128};  ///< oneTBB's pages are cache-aligned.

    std::mutex mutex_;
    std::size_t block_bytes_ = 0;  ///< Of the first block freed; others are not kept.
    Block* free_ = nullptr;
};

/// What oneTBB wants to see: an allocator whose copies share one recycler.
template <class T>
class RecyclingAllocator {
  public:
    using value_type = T;

    explicit RecyclingAllocator(PageRecycler& recycler) noexcept : recycler_(&recycler) {}
    // Implicit, as the standard asks of allocators.
    template <class U>
    RecyclingAllocator(const RecyclingAllocator<U>& other) noexcept
        : recycler_(&other.recycler()) {}

    T* allocate(std::size_t count) {
        return static_cast<T*>(recycler_->allocate(count * sizeof(T)));
    }
    void deallocate(T* memory, std::size_t count) noexcept {
        recycler_->deallocate(memory, count * sizeof(T));
    }
    [[nodiscard]] PageRecycler& recycler() const noexcept { return *recycler_; }

    template <class U>
    bool operator==(const RecyclingAllocator<U>& other) const noexcept {
        return recycler_ == &other.recycler();
    }

  private:
    PageRecycler* recycler_;
};

}  // namespace multifd
