// SentDigest: a device's digest at the source, where the channels hash what they send.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "engine/packets/transfer_digest.hpp"

namespace multifd {

/// A packet that was sent, as its digest takes it.
struct SentItem {
    std::uint32_t idx = 0;
    std::uint32_t flags = 0;
    std::uint64_t length = 0;
    std::uint64_t hash = 0;
};

/// Folds a device's packets in the order of their idx, though channels finish them in any order.
/// Limits:    holds kWindow items; with so many behind one that is not sent yet, its device waits.
///            Nothing allocates after construction.
/// Ownership: `target` outlives it; nobody else folds into it while packets are under way.
/// Threads:   all members from any thread; one that waits in await_room().
/// Errors:    none; an abort ends the wait.
///
/// The wait cannot last: what everybody waits for is the earliest packet of its device, whose
/// channel the destination lets go on (reassembly/reassembly.hpp).
class SentDigest {
  public:
    /// Many packets of a fast channel during one of a slow one; 32 KiB.
    static constexpr std::uint32_t kWindow = 1024;

    SentDigest(TransferDigest& target, std::uint32_t first_idx)
        : target_(target), next_(first_idx), items_(kWindow) {}
    SentDigest(const SentDigest&) = delete;
    SentDigest& operator=(const SentDigest&) = delete;

    /// Before `idx` is submitted: waits until it has a place. False once aborted.
    [[nodiscard]] bool await_room(std::uint32_t idx);
    /// Each idx once, in any order, after its await_room().
    void add(const SentItem& item);
    /// Idempotent.
    void abort() noexcept;

  private:
    struct Place {
        SentItem item;
        bool taken = false;
    };
    [[nodiscard]] bool has_room(std::uint32_t idx) const noexcept { return idx - next_ < kWindow; }
    Place& place_of(std::uint32_t idx) noexcept { return items_[idx % kWindow]; }

    TransferDigest& target_;
    std::mutex mutex_;
    std::condition_variable room_;
    // Written under the mutex; what most packets ask needs no lock.
    std::atomic<std::uint32_t> next_;  ///< All below have been folded.
    std::atomic<bool> aborted_ = false;
    std::vector<Place> items_;  ///< Under the mutex.
};

}  // namespace multifd
