#include "engine/session/call_worker.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "channels/transport/quiet_thread.hpp"
#include "channels/wire/assert.hpp"

namespace multifd {

struct CallWorker::Slot {
    std::mutex mutex;
    std::condition_variable changed;
    std::function<void()> job;  // Guarded by mutex, as stopping.
    bool stopping = false;
    std::atomic<bool> busy = false;           // Publishes the job's effects when it turns false.
    std::atomic<const char*> call_name = "";  // Stored before call_since.
    std::atomic<Clock::rep> call_since = 0;   // 0: no foreign call runs. Publishes call_name.
    std::thread thread;
};

namespace {

bool is_cancellation(const std::error_code& error) {
    return error == std::errc::operation_canceled;
}

}  // namespace

CallOutcome outcome_of(CallResult result) {
    CallOutcome outcome;
    if (!result.ok()) {
        outcome.error = is_cancellation(result.error) ? Errc::cancelled : Errc::device_failed;
        if (result.detail.empty()) result.detail = result.error.message();
    }
    outcome.result = std::move(result);
    return outcome;
}

CallOutcome outcome_of_exception() noexcept {
    CallOutcome outcome;
    outcome.error = Errc::device_threw;
    outcome.result.error = std::make_error_code(std::errc::io_error);
    try {
        throw;
    } catch (const std::bad_alloc&) {
        outcome.error = Errc::memory_exhausted;
        outcome.result.error = std::make_error_code(std::errc::not_enough_memory);
    } catch (const std::exception& thrown) {
        try {
            outcome.result.detail = thrown.what();
        } catch (...) {
            outcome.error = Errc::memory_exhausted;
        }
    } catch (...) {
    }
    return outcome;
}

CallWorker::CallWorker() : slot_(std::make_shared<Slot>()) {
    slot_->thread = start_quiet_thread("multifd-device", [slot = slot_] {
        std::unique_lock lock(slot->mutex);
        for (;;) {
            slot->changed.wait(lock, [&] { return slot->stopping || slot->job; });
            if (!slot->job) return;
            auto job = std::move(slot->job);
            slot->job = nullptr;
            lock.unlock();
            try {
                job();
            } catch (...) {  // The contract: a job reports its own failures.
            }
            job = nullptr;  // What the job shares is released before anyone sees it as ended.
            lock.lock();
            slot->busy.store(false, std::memory_order_release);
            slot->changed.notify_all();
        }
    });
}

CallWorker::~CallWorker() {
    bool leave_behind = slot_->thread.get_id() == std::this_thread::get_id();
    {
        const std::scoped_lock lock(slot_->mutex);
        slot_->stopping = true;
        leave_behind = leave_behind || slot_->busy.load(std::memory_order_relaxed);
    }
    slot_->changed.notify_all();
    if (leave_behind) {
        slot_->thread.detach();
    } else {
        slot_->thread.join();
    }
}

void CallWorker::start(std::function<void()> job) {
    {
        const std::scoped_lock lock(slot_->mutex);
        MULTIFD_ASSERT(!slot_->busy.load(std::memory_order_relaxed));
        slot_->job = std::move(job);
        slot_->busy.store(true, std::memory_order_relaxed);
    }
    slot_->changed.notify_all();
}

bool CallWorker::wait(Deadline deadline, const std::function<bool()>& give_up) {
    std::unique_lock lock(slot_->mutex);
    const auto over = [&] {
        return !slot_->busy.load(std::memory_order_acquire) || (give_up && give_up());
    };
    if (deadline == kNoDeadline) {
        slot_->changed.wait(lock, over);
    } else {
        slot_->changed.wait_until(lock, deadline, over);
    }
    return !slot_->busy.load(std::memory_order_acquire);
}

void CallWorker::wake() noexcept {
    { const std::scoped_lock lock(slot_->mutex); }
    slot_->changed.notify_all();
}

bool CallWorker::idle() const noexcept {
    return !slot_->busy.load(std::memory_order_acquire);
}

std::optional<RunningCall> CallWorker::running_call() const noexcept {
    const auto since = slot_->call_since.load(std::memory_order_acquire);
    if (since == 0) return std::nullopt;
    return RunningCall{slot_->call_name.load(std::memory_order_relaxed),
                       Clock::time_point(Clock::duration(since))};
}

void CallWorker::call_begins(const char* name) noexcept {
    slot_->call_name.store(name, std::memory_order_relaxed);
    slot_->call_since.store(Clock::now().time_since_epoch().count(), std::memory_order_release);
}

void CallWorker::call_ends() noexcept {
    slot_->call_since.store(0, std::memory_order_release);
}

}  // namespace multifd
