#include "engine/cli/progress_watch.hpp"

#include <chrono>

namespace multifd {
namespace {

constexpr std::chrono::milliseconds kRepaint{200};
constexpr std::chrono::seconds kLogEvery{10};

}  // namespace

ProgressWatch::ProgressWatch(Console& console, ConsoleLog& log,
                             std::function<Statistics()> statistics, bool quiet)
    : console_(console), log_(log), statistics_(std::move(statistics)) {
    if (!quiet) thread_ = std::thread([this] { watch(); });
}

ProgressWatch::~ProgressWatch() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    stopped_.notify_all();
    if (thread_.joinable()) thread_.join();
    console_.clear_live();
}

void ProgressWatch::watch() {
    const auto pause = console_.is_terminal() ? std::chrono::milliseconds(kRepaint)
                                              : std::chrono::milliseconds(kLogEvery);
    std::unique_lock lock(mutex_);
    while (!stopped_.wait_for(lock, pause, [this] { return stopping_; })) {
        lock.unlock();
        show(statistics_());
        lock.lock();
    }
}

void ProgressWatch::show(const Statistics& snapshot) {
    const auto now = ProgressLine::Clock::now();
    if (console_.is_terminal()) {
        console_.show_live(line_.text(snapshot, now, console_.width() - 1));
        return;
    }
    // A destination that waits for a source has nothing to say.
    if (snapshot.status == Status::none) return;
    const std::string phase(to_string(snapshot.status));
    const std::string text = line_.log_text(snapshot, now);
    log_.line({LogLevel::info, snapshot.session, to_string(snapshot.role), phase, text});
}

}  // namespace multifd
