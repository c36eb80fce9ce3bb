// Where the channels' threads run and their packets' memory lies.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "channels/memory/guarded.hpp"
#include "channels/wire/ids.hpp"
#include "engine/paths/machine_topology.hpp"
#include "multifd/settings.hpp"

namespace multifd {

/// Throws std::invalid_argument: a CPU that does not exist or may not be used, a node that a
/// machine with several nodes does not have.
void check_placement(const CommonSettings& settings, const MachineTopology& topology);

/// What the settings come to on this machine.
struct PlacementPlan {
    /// Channel i may use entry i modulo their number; empty: whatever the process may use.
    std::vector<std::vector<unsigned>> cpus{};
    std::optional<unsigned> node{};  ///< Where memory comes from.
    std::string note{};              ///< Why a wish has no effect, or only a part of it.
};

/// For checked settings. `device` and `device_node`: the network device of the main connection and
/// its node, as far as they are known.
PlacementPlan plan_placement(const CommonSettings& settings, const MachineTopology& topology,
                             const std::string& device, std::optional<unsigned> device_node);

/// Carries a plan out, thread by thread.
/// Threads:   enter() on a channel's own thread, once; the rest from any.
/// Errors:    a thread that cannot be placed runs unplaced; cpus_of() then says nothing of it.
class ChannelPlacement {
  public:
    ChannelPlacement(PlacementPlan plan, std::size_t channels);

    /// Places the calling thread, which is that channel's.
    void enter(ChannelId channel);
    /// The CPUs its thread was placed on: "3", "0-7"; empty when it was not.
    [[nodiscard]] std::string cpus_of(ChannelId channel) const;
    [[nodiscard]] const std::string& note() const noexcept { return plan_.note; }
    [[nodiscard]] std::optional<unsigned> node() const noexcept { return plan_.node; }

  private:
    const PlacementPlan plan_;
    Guarded<std::vector<std::string>> placed_;
};

}  // namespace multifd
