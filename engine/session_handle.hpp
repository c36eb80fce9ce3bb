// SessionHandle: what a public Source or Destination holds of its session.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "channels/wire/assert.hpp"
#include "multifd/report.hpp"
#include "multifd/source.hpp"

namespace multifd {

/// Lets run() happen once, and lets the owner go away without waiting for ever.
/// Threads: all members from any thread.
template <class Session>
class SessionHandle {
  public:
    SessionHandle(std::shared_ptr<Session> session, std::chrono::milliseconds patience)
        : session_(std::move(session)), patience_(patience) {}
    ~SessionHandle() {
        // A run() in another thread keeps its own share of the session; it is waited for, not for
        // ever.
        if (cancel() == CancelAnswer::not_running) return;
        std::unique_lock lock(mutex_);
        ended_.wait_for(lock, patience_, [this] { return !running_; });
    }
    SessionHandle(const SessionHandle&) = delete;
    SessionHandle& operator=(const SessionHandle&) = delete;

    template <class Run>
    Report run(Run&& start) {
        {
            const std::scoped_lock lock(mutex_);
            MULTIFD_ASSERT(!started_);
            started_ = running_ = true;
        }
        const auto session = session_;
        auto report = start(*session);
        {
            const std::scoped_lock lock(mutex_);
            running_ = false;
        }
        ended_.notify_all();
        return report;
    }

    CancelAnswer cancel() noexcept {
        {
            const std::scoped_lock lock(mutex_);
            if (started_ && !running_) return CancelAnswer::not_running;
        }
        return session_->cancel();
    }
    [[nodiscard]] Statistics statistics() const { return session_->statistics(); }

  private:
    const std::shared_ptr<Session> session_;
    const std::chrono::milliseconds patience_;
    std::mutex mutex_;
    std::condition_variable ended_;
    bool started_ = false;
    bool running_ = false;
};

}  // namespace multifd
