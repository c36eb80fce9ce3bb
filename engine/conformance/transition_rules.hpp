// Which transitions a device of the VFIO migration uAPI, version 2, must make and must refuse.
#pragma once

#include <array>
#include <vector>

#include "multifd/device.hpp"

namespace multifd {

/// All states but ERROR, which no device can be asked for.
inline constexpr std::array<DeviceState, 7> kMigrationStates{
    DeviceState::running,  DeviceState::running_p2p,  DeviceState::stop,    DeviceState::stop_copy,
    DeviceState::pre_copy, DeviceState::pre_copy_p2p, DeviceState::resuming};

[[nodiscard]] bool has_state(const DeviceTraits& traits, DeviceState state) noexcept;

/// The states of kMigrationStates that the device has.
[[nodiscard]] std::vector<DeviceState> states_of(const DeviceTraits& traits);

/// Whether set_state(target) must succeed in `from`, which the device has. From the text around
/// enum vfio_device_mig_state in Linux <linux/vfio.h> (6.2 and later): every combination of arcs is
/// a transition, but for three: ERROR is no target and is left by a reset alone, optional states
/// need the device's flags, and STOP_COPY does not become PRE_COPY again. A state is its own
/// target.
[[nodiscard]] bool must_accept(const DeviceTraits& traits, DeviceState from,
                               DeviceState target) noexcept;

}  // namespace multifd
