#include "engine/packets/submission_gate.hpp"

namespace multifd {

SubmissionTurn::~SubmissionTurn() {
    if (gate_ != nullptr) gate_->leave();
}

SubmissionGate::SubmissionGate(std::span<const std::uint64_t> expected_bytes, SubmissionRoom room)
    : order_(expected_bytes, room), waiters_(expected_bytes.size()) {}

SubmissionTurn SubmissionGate::enter(DeviceId device) {
    std::unique_lock lock(mutex_);
    if (!order_.begin(device)) {
        auto& waiter = waiters_[device.value];
        admit_waiting();
        waiter.admitted.wait(lock, [&] { return waiter.in || aborted_; });
        waiter.in = false;
    }
    if (aborted_) return {};
    return SubmissionTurn(*this);
}

void SubmissionGate::end(DeviceId device) {
    const std::scoped_lock lock(mutex_);
    order_.end(device);
    admit_waiting();
}

void SubmissionGate::leave() noexcept {
    const std::scoped_lock lock(mutex_);
    order_.leave();
    admit_waiting();
}

void SubmissionGate::admit_waiting() noexcept {
    while (const auto device = order_.next()) {
        auto& waiter = waiters_[device->value];
        waiter.in = true;
        waiter.admitted.notify_one();
    }
}

void SubmissionGate::abort() noexcept {
    const std::scoped_lock lock(mutex_);
    aborted_ = true;
    for (auto& waiter : waiters_) waiter.admitted.notify_one();
}

std::size_t SubmissionGate::waiting() const {
    const std::scoped_lock lock(mutex_);
    return order_.waiting();
}

}  // namespace multifd
