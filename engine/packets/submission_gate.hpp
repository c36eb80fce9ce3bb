// SubmissionGate: lets the save threads in, in a fair order, when there is no room for all.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "engine/packets/submission_order.hpp"

namespace multifd {

class SubmissionGate;

/// The right to have one packet under way; ends when destroyed or overwritten. Empty when moved
/// from.
/// Ownership: the gate outlives it.
/// Threads:   may move from thread to thread with the packet.
class SubmissionTurn {
  public:
    SubmissionTurn() = default;
    SubmissionTurn(SubmissionTurn&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    SubmissionTurn& operator=(SubmissionTurn&& other) noexcept {
        SubmissionTurn taken(std::move(other));
        std::swap(gate_, taken.gate_);
        return *this;
    }
    ~SubmissionTurn();
    explicit operator bool() const noexcept { return gate_ != nullptr; }

  private:
    friend class SubmissionGate;
    explicit SubmissionTurn(SubmissionGate& gate) noexcept : gate_(&gate) {}

    SubmissionGate* gate_ = nullptr;
};

/// Counts the packets under way, from before a device's thread begins with one until it has been
/// sent, and makes who is not to begin yet wait, with nothing in hand. It decides only who comes to
/// the single submission point, so what the destination sees is one global order as before.
/// Limits:    the room's places; one waiting thread for each device. Nothing allocates later.
/// Threads:   all members from any thread, enter() from one at a time for a device.
/// Errors:    none; an abort ends all waits.
class SubmissionGate {
  public:
    SubmissionGate(std::span<const std::uint64_t> expected_bytes, SubmissionRoom room);
    SubmissionGate(const SubmissionGate&) = delete;
    SubmissionGate& operator=(const SubmissionGate&) = delete;

    /// Waits for a turn for one packet; empty once aborted.
    [[nodiscard]] SubmissionTurn enter(DeviceId device);
    /// The device has no more packets: nothing is kept for it.
    void end(DeviceId device);
    /// Idempotent.
    void abort() noexcept;
    /// How many devices wait.
    [[nodiscard]] std::size_t waiting() const;

  private:
    friend class SubmissionTurn;
    struct Waiter {
        std::condition_variable admitted;
        bool in = false;
    };
    void leave() noexcept;
    void admit_waiting() noexcept;

    mutable std::mutex mutex_;
    // Under the mutex.
    SubmissionOrder order_;
    std::vector<Waiter> waiters_;  ///< By DeviceId.
    bool aborted_ = false;
};

}  // namespace multifd
