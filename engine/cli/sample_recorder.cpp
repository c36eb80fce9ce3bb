#include "engine/cli/sample_recorder.hpp"

#include <exception>

namespace multifd {
namespace {

// At first fine enough for a downtime of a few milliseconds; with all samples taken a file of some
// megabytes for hundreds of channels and devices.
constexpr std::chrono::microseconds kFirstInterval{1000};
constexpr std::size_t kSamplesMax = 2000;

}  // namespace

SampleRecorder::SampleRecorder(std::function<Statistics()> statistics)
    : statistics_(std::move(statistics)),
      began_(std::chrono::steady_clock::now()),
      series_(kSamplesMax, kFirstInterval),
      thread_([this] { record(); }) {}

SampleRecorder::~SampleRecorder() {
    stop();
}

const SampleSeries& SampleRecorder::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    stopped_.notify_all();
    if (!thread_.joinable()) return series_;
    thread_.join();
    look();
    return series_;
}

void SampleRecorder::record() {
    std::unique_lock lock(mutex_);
    while (!stopped_.wait_for(lock, series_.interval(), [this] { return stopping_; })) {
        lock.unlock();
        try {
            look();
        } catch (const std::exception&) {
            // A sample is lost; a migration is not ended by its plot.
        }
        lock.lock();
    }
}

void SampleRecorder::look() {
    const auto since = std::chrono::steady_clock::now() - began_;
    const auto at = std::chrono::duration_cast<std::chrono::microseconds>(since);
    series_.add(statistics_(), static_cast<std::uint64_t>(at.count()));
}

}  // namespace multifd
