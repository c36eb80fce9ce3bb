// Figures: what is measured of one run, by name, and what follows from it.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace multifd::tuning {

/// Times are microseconds, sizes bytes. What only the destination knows is missing when it does not
/// tell it, as one of another version may not.
enum class Figure {
    downtime,          ///< Source: the first stop to the receipt of Running; the sum of its parts.
    transfer,          ///< Source: the devices' stop until the destination has loaded all state.
    rate,              ///< Bytes of state per second of `transfer`.
    cpu_per_gigabyte,  ///< Seconds of processor time at both ends for 10^9 bytes of state.
    source_cpu,
    destination_cpu,
    destination_transfer,  ///< By its own clock, from the notice of the stop; its cpu's span.
    destination_cores,     ///< That its process may use.
    total,                 ///< Source: the whole migration.
    state_bytes,
    wire_bytes,         ///< On all channels, headers included.
    peak_queued_bytes,  ///< Destination.
    queued_bytes_max,   ///< Destination: what it allows.
    // The downtime's parts, one after the other.
    stop,
    state,     ///< Until the source has sent all.
    load,      ///< Until the destination has written all.
    validate,  ///< Until its devices have accepted their state.
    verify,
    commit,
    // What happens meanwhile, in parallel: the slowest device, the busiest channel.
    read,
    queue,  ///< Source: waiting for a free buffer or a place in the queue.
    config,
    send,
    sender_cpu,  ///< Processor time of the busiest channel's thread.
    receive,
    receiver_cpu,
    reorder_wait,  ///< Destination: waiting for the next packet in order.
    write,
};
inline constexpr std::size_t kFigures = static_cast<std::size_t>(Figure::write) + 1;

/// "downtime-us", "rate-bytes-per-second", ...: as results name them.
std::string_view name_of(Figure figure) noexcept;

class Figures {
  public:
    [[nodiscard]] std::optional<double> get(Figure figure) const noexcept {
        return values_[static_cast<std::size_t>(figure)];
    }
    [[nodiscard]] double value_or_zero(Figure figure) const noexcept {
        return get(figure).value_or(0);
    }
    void set(Figure figure, double value) noexcept {
        values_[static_cast<std::size_t>(figure)] = value;
    }

  private:
    std::array<std::optional<double>, kFigures> values_;
};

/// Fills in what follows from the measured ones: downtime, transfer, rate and processor time per
/// gigabyte.
void derive(Figures& figures);

/// Each figure's median over those runs that have it.
Figures medians(const std::vector<Figures>& runs);

}  // namespace multifd::tuning
