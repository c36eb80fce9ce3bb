#include "engine/packets/submission_order.hpp"

#include <algorithm>

#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

// Nobody knows how much is left of it: more than of one that is nearly done.
constexpr double kPartLeftUnknown = 0.1;

}  // namespace

bool is_order_worthwhile(std::span<const std::uint64_t> expected_bytes) noexcept {
    double sum = 0;
    double largest = 0;
    for (const auto bytes : expected_bytes) {
        if (bytes == 0) return false;
        sum += static_cast<double>(bytes);
        largest = std::max(largest, static_cast<double>(bytes));
    }
    return largest * static_cast<double>(expected_bytes.size()) > sum * 5 / 4;
}

SubmissionOrder::SubmissionOrder(std::span<const std::uint64_t> expected_bytes, SubmissionRoom room)
    : room_(room), free_(room.places) {
    MULTIFD_ASSERT(room.refill >= 1 && room.refill <= room.places && room.reserve < room.places);
    progress_.reserve(expected_bytes.size());
    for (const auto bytes : expected_bytes) {
        progress_.push_back({.expected = bytes, .done = 0, .active = bytes != 0});
    }
    waiting_.reserve(expected_bytes.size());
}

bool SubmissionOrder::begin(DeviceId device) noexcept {
    const bool longest_first = is_turn_of_longest() && !waiting_.empty();
    if (free_ > 0 && !longest_first && is_furthest_behind(device)) {
        take_place(device);
        return true;
    }
    waiting_.push_back(device);
    return false;
}

double SubmissionOrder::part_left(const Progress& progress) const noexcept {
    if (progress.done >= progress.expected) return kPartLeftUnknown;
    return static_cast<double>(progress.expected - progress.done) /
           static_cast<double>(progress.expected);
}

double SubmissionOrder::part_left(DeviceId device) const noexcept {
    return part_left(progress_[device.value]);
}

bool SubmissionOrder::is_furthest_behind(DeviceId device) const noexcept {
    const double own = part_left(device);
    return std::ranges::none_of(progress_, [&](const Progress& progress) {
        return progress.active && part_left(progress) > own;
    });
}

std::optional<DeviceId> SubmissionOrder::next() noexcept {
    if (waiting_.empty() || free_ == 0) return std::nullopt;
    auto chosen = waiting_.begin();
    auto needed = room_.refill;
    if (!is_turn_of_longest()) {
        // The first of equals: who came earlier.
        chosen = std::ranges::max_element(waiting_, {},
                                          [this](DeviceId device) { return part_left(device); });
        if (!is_furthest_behind(*chosen)) needed = room_.reserve + 1;
    }
    if (free_ < needed) return std::nullopt;
    const auto device = *chosen;
    waiting_.erase(chosen);
    take_place(device);
    return device;
}

void SubmissionOrder::take_place(DeviceId device) noexcept {
    progress_[device.value].done += room_.packet_bytes;
    --free_;
    ++turn_;
}

}  // namespace multifd
