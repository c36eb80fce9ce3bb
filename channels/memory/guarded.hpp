// Guarded<T>: a value that can be reached only under its mutex.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace multifd {

/// A value, its mutex and the condition its waiters wait on, as one thing.
/// Ownership: owns the value; a reference to it must not leave the function that was given it.
/// Threads:   all members from any thread. The functions given run under the mutex: keep them
///            short, without I/O and without a second Guarded.
template <class T>
class Guarded {
  public:
    using Clock = std::chrono::steady_clock;

    template <class... Arguments>
    explicit Guarded(Arguments&&... arguments) : value_(std::forward<Arguments>(arguments)...) {}
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;

    /// Runs `use(value)` under the mutex; wakes every waiter, since the value may have changed.
    template <class Use>
    decltype(auto) with(Use&& use) {
        const Waker waker{*this};
        const std::lock_guard lock(mutex_);
        return std::forward<Use>(use)(value_);
    }

    /// Runs `read(value)` under the mutex and wakes nobody.
    template <class Read>
    decltype(auto) look(Read&& read) const {
        const std::lock_guard lock(mutex_);
        return std::forward<Read>(read)(value_);
    }

    /// Waits until `ready(value)`, then runs `use(value)` in the same critical section. It wakes
    /// nobody: what `use` takes away nobody waits for.
    template <class Ready, class Use>
    decltype(auto) wait(Ready&& ready, Use&& use) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return ready(std::as_const(value_)); });
        return std::forward<Use>(use)(value_);
    }

    /// False when `deadline` came before `ready(value)` did.
    template <class Ready>
    [[nodiscard]] bool wait_until(Clock::time_point deadline, Ready&& ready) const {
        std::unique_lock lock(mutex_);
        const auto done = [&] { return ready(value_); };
        if (deadline == Clock::time_point::max()) {
            changed_.wait(lock, done);
            return true;
        }
        return changed_.wait_until(lock, deadline, done);
    }

  private:
    // Notifies after the lock is gone, so that a woken thread does not run into it.
    struct Waker {
        const Guarded& guarded;
        ~Waker() { guarded.changed_.notify_all(); }
    };

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    T value_;
};

}  // namespace multifd
