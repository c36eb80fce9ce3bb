// A fixed set of page-aligned buffers that threads borrow and give back.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "channels/memory/buffer_arena.hpp"

namespace multifd {

class BufferPool;

/// A borrowed buffer: returns to its pool when destroyed or overwritten. Empty when moved from.
/// Ownership: the pool outlives it.
/// Threads:   may move from thread to thread with the queue that carries it.
class PooledBuffer {
  public:
    PooledBuffer() = default;
    PooledBuffer(PooledBuffer&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), index_(other.index_) {}
    /// Releases what this held: by a swap with a temporary, which also makes self-moves harmless.
    PooledBuffer& operator=(PooledBuffer&& other) noexcept {
        PooledBuffer taken(std::move(other));
        std::swap(pool_, taken.pool_);
        std::swap(index_, taken.index_);
        return *this;
    }
    ~PooledBuffer();

    /// The whole buffer; empty when nothing is held. Its contents are whatever was there last.
    [[nodiscard]] std::span<std::byte> bytes() const;
    explicit operator bool() const noexcept { return pool_ != nullptr; }

  private:
    friend class BufferPool;
    PooledBuffer(BufferPool& pool, std::uint32_t index) noexcept : pool_(&pool), index_(index) {}

    BufferPool* pool_ = nullptr;
    std::uint32_t index_ = 0;
};

/// Lends buffers, the one given back last first: it is still in the caches, and what a migration
/// never needs at once is never touched.
/// Limits:    `count` buffers, made at construction; nothing allocates afterwards.
/// Ownership: owns the memory; every PooledBuffer ends before the pool.
/// Threads:   all members from any thread.
/// Errors:    the constructor throws std::bad_alloc.
class BufferPool {
  public:
    BufferPool(std::size_t buffer_bytes, std::size_t count, Populate populate = Populate::no);
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;

    /// Blocks until a buffer is free. Nothing once aborted.
    [[nodiscard]] std::optional<PooledBuffer> acquire();
    /// Nothing when no buffer is free, or once aborted.
    [[nodiscard]] std::optional<PooledBuffer> try_acquire();
    /// Every acquire, waiting or to come, returns nothing. Buffers may still be given back.
    /// Idempotent.
    void abort() noexcept;

    [[nodiscard]] std::size_t buffer_bytes() const noexcept { return arena_.buffer_bytes(); }
    [[nodiscard]] std::size_t count() const noexcept { return arena_.count(); }
    [[nodiscard]] std::size_t in_use() const;
    [[nodiscard]] std::size_t peak_in_use() const;

  private:
    friend class PooledBuffer;
    PooledBuffer take_locked();
    void give_back(std::uint32_t index) noexcept;

    BufferArena arena_;
    mutable std::mutex mutex_;
    std::condition_variable given_back_;
    // Under the mutex.
    std::vector<std::uint32_t> free_;
    std::size_t peak_in_use_ = 0;
    bool aborted_ = false;
};

}  // namespace multifd
