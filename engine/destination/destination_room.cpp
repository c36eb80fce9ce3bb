// Room for the state that will come, before the source stops anything: none of it costs downtime.
#include <algorithm>

#include "channels/memory/populate.hpp"
#include "channels/wire/limits.hpp"
#include "engine/destination/destination_session.hpp"

namespace multifd {
namespace {

/// Some hundredths of a second, after which a failure is noticed.
constexpr std::size_t kPopulatedAtOnce = 256 * limits::kMiB;
/// What a device has not got ready by then it gets as the state comes: the source waits meanwhile.
constexpr std::chrono::seconds kReadyingMax{2};

}  // namespace

bool DestinationSession::announce(DeviceSlot& slot) {
    const auto expected = slot.expected_bytes.load(std::memory_order_relaxed);
    const auto enough = Clock::now() + kReadyingMax;
    for (std::uint64_t ready = 0; ready < expected && Clock::now() < enough;) {
        if (failed()) return false;  // An interrupt may have come before there was a call to end.
        const auto outcome =
            slot.worker.call("expect", [&] { return slot.entry.device->expect(expected); });
        if (!outcome.ok()) {
            fail_call(slot, "expecting its state", outcome);
            return false;
        }
        progress_.fetch_add(1, std::memory_order_relaxed);
        if (outcome.result.value <= ready) break;
        ready = outcome.result.value;
    }
    return true;
}

// The memory is faulted in before the source stops anything: every page of it will be written.
void DestinationSession::borrow(DeviceSlot& slot) {
    auto& lent = incoming_[slot.id.value].lent;
    lent = slot.entry.device->lend();
    for (auto rest = lent; !rest.empty() && !failed();) {
        const auto piece = rest.first(std::min(rest.size(), kPopulatedAtOnce));
        populate(piece);
        progress_.fetch_add(1, std::memory_order_relaxed);
        rest = rest.subspan(piece.size());
    }
}

}  // namespace multifd
