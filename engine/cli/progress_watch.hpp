// ProgressWatch: shows how a migration goes while it goes.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "engine/cli/console.hpp"
#include "engine/cli/console_log.hpp"
#include "engine/cli/progress_line.hpp"

namespace multifd {

/// From construction to destruction: on a terminal a live line, five times a second; elsewhere a
/// log line every ten seconds.
/// Ownership: console and log outlive it; `statistics` is called from a thread of its own.
class ProgressWatch {
  public:
    ProgressWatch(Console& console, ConsoleLog& log, std::function<Statistics()> statistics,
                  bool quiet);
    ~ProgressWatch();  ///< Erases the live line.
    ProgressWatch(const ProgressWatch&) = delete;
    ProgressWatch& operator=(const ProgressWatch&) = delete;

  private:
    void watch();
    void show(const Statistics& snapshot);

    Console& console_;
    ConsoleLog& log_;
    const std::function<Statistics()> statistics_;

    ProgressLine line_;  ///< Touched only on thread_.

    std::mutex mutex_;  ///< Guards stopping_.
    std::condition_variable stopped_;
    bool stopping_ = false;

    std::thread thread_;
};

}  // namespace multifd
