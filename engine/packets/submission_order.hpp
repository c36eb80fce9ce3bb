// SubmissionOrder: which device may begin its next packet, and when. Sans-I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "channels/wire/ids.hpp"

namespace multifd {

/// Whether an order by size can bring the end forward: all sizes are known, and the largest is over
/// 5/4 of their average. Among equals it could only cost.
bool is_order_worthwhile(std::span<const std::uint64_t> expected_bytes) noexcept;

/// How many packets may be under way, and who may have the last places.
struct SubmissionRoom {
    std::size_t places = 1;
    /// Who had to wait is let in when so many places are free, 1 to `places`: waking a thread costs
    /// more than handing a packet over.
    std::size_t refill = 1;
    /// Kept for the device that is furthest behind, for when it comes; below `places`.
    std::size_t reserve = 0;
    std::uint64_t packet_bytes = 1;
};

/// The device that is furthest behind goes first: the one with the largest part of its state still
/// to be submitted. So all come to their end together, and none is left for last that then cannot
/// fill the link by itself. Others go only as long as they leave the reserve free: places become
/// free faster than one device comes back, and if all who wait took them, all would be equal. A
/// device that cannot use its reserve thus leaves the other places to the rest.
///
/// Nobody waits for ever: every packet under way ends, more places than the reserve become free,
/// and every kTurns-th packet is that of who has waited longest, whatever the estimates say. A
/// device that has passed its estimate counts as one with a tenth left.
/// Limits:    the devices given; each waits with at most one packet. Nothing allocates later.
/// Threads:   not thread-safe; SubmissionGate shares one.
class SubmissionOrder {
  public:
    static constexpr std::uint64_t kTurns = 32;

    /// Sizes by DeviceId; 0 for those that never come.
    SubmissionOrder(std::span<const std::uint64_t> expected_bytes, SubmissionRoom room);

    /// The device has a packet to begin. If not at once, it waits until next() names it.
    bool begin(DeviceId device) noexcept;
    /// Takes the device off the list that begins its packet now; call until nobody does.
    std::optional<DeviceId> next() noexcept;
    /// A packet is no longer under way.
    void leave() noexcept { ++free_; }
    /// The device has no more packets.
    void end(DeviceId device) noexcept { progress_[device.value].active = false; }
    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }

  private:
    struct Progress {
        std::uint64_t expected = 0;
        std::uint64_t done = 0;
        bool active = true;
    };
    [[nodiscard]] double part_left(DeviceId device) const noexcept;
    [[nodiscard]] double part_left(const Progress& progress) const noexcept;
    [[nodiscard]] bool is_furthest_behind(DeviceId device) const noexcept;
    [[nodiscard]] bool is_turn_of_longest() const noexcept { return (turn_ + 1) % kTurns == 0; }
    void take_place(DeviceId device) noexcept;

    const SubmissionRoom room_;
    std::size_t free_;
    std::vector<Progress> progress_;  ///< By DeviceId.
    std::vector<DeviceId> waiting_;   ///< In order of arrival.
    std::uint64_t turn_ = 0;
};

}  // namespace multifd
