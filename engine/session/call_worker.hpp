// CallWorker: a thread for calls into foreign code, which may throw, block, or never return.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>

#include "channels/transport/deadline.hpp"
#include "channels/wire/error.hpp"
#include "multifd/device.hpp"

namespace multifd {

/// A call that has not returned yet.
struct RunningCall {
    const char* name = "";  ///< A literal: "read", "set_state", ...
    Clock::time_point since;
};

/// What a foreign call came to: its CallResult, and an Errc when it failed.
struct CallOutcome {
    CallResult result;
    ErrorCode error;  ///< device_failed, device_threw, memory_exhausted; false on success.
    [[nodiscard]] bool ok() const noexcept { return !error; }
    /// What the call said of its failure, or what the code says: never empty.
    [[nodiscard]] std::string reason() const {
        return result.detail.empty() ? error.message() : result.detail;
    }
};

/// Runs one job at a time on a thread of its own. A job that does not end is left behind: the
/// thread and what the job shares live on, and nothing waits for them.
/// Ownership: owns the thread; a job must share (not borrow) what it touches.
/// Threads:   start(), wait() and wake() from any thread, but one start() at a time; call() only
///            inside a job.
/// Errors:    a job's exceptions are the job's to catch; what escapes is dropped.
class CallWorker {
  public:
    CallWorker();
    ~CallWorker();
    CallWorker(const CallWorker&) = delete;
    CallWorker& operator=(const CallWorker&) = delete;

    /// Starts `job`; the worker must be idle.
    void start(std::function<void()> job);
    /// Waits until the job has ended: true. False at the deadline, or once `give_up` is true (asked
    /// again at every wake()).
    bool wait(Deadline deadline, const std::function<bool()>& give_up = {});
    /// Makes waiters ask their `give_up` again.
    void wake() noexcept;
    [[nodiscard]] bool idle() const noexcept;
    /// The foreign call that runs now, if any: what a watchdog looks at.
    [[nodiscard]] std::optional<RunningCall> running_call() const noexcept;
    /// Inside a job: makes one foreign call, visible to running_call().
    template <class Call>
    CallOutcome call(const char* name, Call&& foreign) noexcept;

    /// Inside a call that has called back into the engine: until the guard ends, the engine's own
    /// work does not count as the foreign call's time.
    class Pause {
      public:
        explicit Pause(CallWorker& worker) noexcept
            : worker_(worker), call_(worker.running_call()) {
            worker_.call_ends();
        }
        ~Pause() {
            if (call_) worker_.call_begins(call_->name);
        }
        Pause(const Pause&) = delete;
        Pause& operator=(const Pause&) = delete;

      private:
        CallWorker& worker_;
        std::optional<RunningCall> call_;
    };

  private:
    struct Slot;  // Shared with the thread, so that an abandoned one still has it.
    void call_begins(const char* name) noexcept;
    void call_ends() noexcept;
    std::shared_ptr<Slot> slot_;
};

/// A failed or thrown foreign call as an outcome.
CallOutcome outcome_of(CallResult result);
CallOutcome outcome_of_exception() noexcept;

template <class Call>
CallOutcome CallWorker::call(const char* name, Call&& foreign) noexcept {
    call_begins(name);
    CallOutcome outcome;
    try {
        outcome = outcome_of(foreign());
    } catch (...) {
        outcome = outcome_of_exception();
    }
    call_ends();
    return outcome;
}

}  // namespace multifd
