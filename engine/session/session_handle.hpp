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

/// Lets run() happen once, and lets the owner go away without waiting for ever: what run() needs it
/// shares.
/// Threads:   all members from any thread.
template <class Session>
class SessionHandle {
  public:
    SessionHandle(std::shared_ptr<Session> session, std::chrono::milliseconds patience)
        : session_(std::move(session)), patience_(patience), state_(std::make_shared<State>()) {}
    ~SessionHandle() {
        if (cancel() == CancelAnswer::not_running) return;
        std::unique_lock lock(state_->mutex);
        state_->ended.wait_for(lock, patience_, [this] { return !state_->running; });
    }
    SessionHandle(const SessionHandle&) = delete;
    SessionHandle& operator=(const SessionHandle&) = delete;

    template <class Run>
    Report run(Run&& start) {
        const auto session = session_;
        const auto state = state_;
        {
            const std::scoped_lock lock(state->mutex);
            MULTIFD_ASSERT(!state->started);
            state->started = state->running = true;
        }
        auto report = start(*session);
        const std::scoped_lock lock(state->mutex);
        state->running = false;
        state->ended.notify_all();
        return report;
    }

    CancelAnswer cancel() noexcept {
        {
            const std::scoped_lock lock(state_->mutex);
            if (state_->started && !state_->running) return CancelAnswer::not_running;
        }
        return session_->cancel();
    }
    [[nodiscard]] Statistics statistics() const { return session_->statistics(); }

  private:
    struct State {
        std::mutex mutex;
        std::condition_variable ended;
        bool started = false;
        bool running = false;
    };
    const std::shared_ptr<Session> session_;
    const std::chrono::milliseconds patience_;
    const std::shared_ptr<State> state_;
};

}  // namespace multifd
