// Ends a test's process when its threads hang: a lost wake-up must fail, not wait.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace multifd {

/// Threads that never return cannot be joined, so nothing gentler than ending the process helps.
class TimeLimit {
  public:
    explicit TimeLimit(const char* what, std::chrono::seconds limit = std::chrono::seconds(60))
        : watcher_([this, what, limit] { watch(what, limit); }) {}
    ~TimeLimit() {
        {
            const std::lock_guard lock(mutex_);
            done_ = true;
        }
        changed_.notify_all();
        watcher_.join();
    }
    TimeLimit(const TimeLimit&) = delete;
    TimeLimit& operator=(const TimeLimit&) = delete;

  private:
    void watch(const char* what, std::chrono::seconds limit) {
        const auto end = std::chrono::system_clock::now() + limit;
        std::unique_lock lock(mutex_);
        if (changed_.wait_until(lock, end, [this] { return done_; })) return;
        std::fprintf(stderr, "%s: threads still wait after %ld s\n", what,
                     static_cast<long>(limit.count()));
        std::abort();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool done_ = false;
    std::thread watcher_;
};

}  // namespace multifd
