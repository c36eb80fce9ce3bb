// A migration's packets on their way through a Reassembly, with everything left to chance by a
// seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reassembly/reassembly.hpp"

namespace multifd {

/// What the sender does wrong, once.
enum class SenderFault : std::uint8_t {
    none,
    packet_lost,
    packet_doubled,
    config_too_early,  ///< An idx in the middle is flagged as the config state.
    order_broken,      ///< Packets of all devices in any order, on any channel.
    border_wrong,      ///< The switchover names another end of pre-copy than the packets show.
};

struct SimulatedCase {
    std::uint32_t seed = 0;
    SenderFault fault = SenderFault::none;
    /// A mistake in the destination: load threads that begin with the switchover wait until all
    /// pre-copy packets have been loaded.
    bool threads_start_late = false;
};

struct SimulatedOutcome {
    bool complete = false;
    bool stuck = false;  ///< Nothing could move, and nobody said so.
    ErrorCode error;     ///< What a packet was refused with; idx_gap when a gap was found.
    std::optional<Gap> gap;
    bool gap_is_missing = false;  ///< The named packet had really not been received.
    std::optional<Gap> lost;      ///< What packet_lost took away.
    bool ample = false;           ///< Buffers and window had room for every packet.
    std::size_t peak_queued_bytes = 0;
    std::size_t bytes_max = 0;  ///< The promise: the budget and one packet.
    std::uint64_t steps = 0;
    std::string description;  ///< The case in words, for a failed test.
};

/// The same case gives the same outcome. Throws InternalError when invariants break, and
/// std::logic_error when a device gets a packet out of order.
SimulatedOutcome simulate(const SimulatedCase& simulated);

}  // namespace multifd
