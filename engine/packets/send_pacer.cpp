#include "engine/packets/send_pacer.hpp"

#include <algorithm>

namespace multifd {

void SendPacer::set_rate(std::uint64_t bytes_per_second) {
    const std::scoped_lock lock(mutex_);
    pacer_ = RatePacer(bytes_per_second);
    piece_bytes_.store(pacer_.piece_bytes(), std::memory_order_relaxed);
    limited_.store(bytes_per_second != 0, std::memory_order_relaxed);
}

bool SendPacer::take(std::uint64_t bytes) {
    if (!limited()) return true;
    std::unique_lock lock(mutex_);
    auto now = Clock::now();
    const auto began = now;
    const auto due = pacer_.reserve(bytes, now);
    while (!aborted_ && now < due) {
        wake_.wait_until(lock, std::min(due, now + beat_));
        progress_.fetch_add(1, std::memory_order_relaxed);
        now = Clock::now();
    }
    waited_.fetch_add((now - began).count(), std::memory_order_relaxed);
    return !aborted_;
}

void SendPacer::abort() noexcept {
    const std::scoped_lock lock(mutex_);
    aborted_ = true;
    wake_.notify_all();
}

}  // namespace multifd
