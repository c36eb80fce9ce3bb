// SampleRecorder: looks at a migration every few milliseconds while it runs.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "engine/cli/sample_series.hpp"

namespace multifd {

/// From construction to stop(): asks `statistics` from a thread of its own; the data path is not
/// touched by it.
/// Threads:   all members on one thread. The destructor stops it.
class SampleRecorder {
  public:
    explicit SampleRecorder(std::function<Statistics()> statistics);
    ~SampleRecorder();
    SampleRecorder(const SampleRecorder&) = delete;
    SampleRecorder& operator=(const SampleRecorder&) = delete;

    /// Takes the last sample and gives all. Idempotent.
    const SampleSeries& stop();

  private:
    void record();
    void look();

    const std::function<Statistics()> statistics_;
    const std::chrono::steady_clock::time_point began_;
    SampleSeries series_;  ///< Touched on thread_ until that has ended.

    std::mutex mutex_;  ///< Guards stopping_.
    std::condition_variable stopped_;
    bool stopping_ = false;

    std::thread thread_;
};

}  // namespace multifd
