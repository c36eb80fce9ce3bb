#include "engine/conformance/transition_rules.hpp"

#include <algorithm>

namespace multifd {

bool has_state(const DeviceTraits& traits, DeviceState state) noexcept {
    if (std::ranges::find(kMigrationStates, state) == kMigrationStates.end()) return false;
    if (state == DeviceState::running_p2p) return traits.p2p;
    if (state == DeviceState::pre_copy) return traits.pre_copy;
    return state != DeviceState::pre_copy_p2p || (traits.pre_copy && traits.p2p);
}

std::vector<DeviceState> states_of(const DeviceTraits& traits) {
    std::vector<DeviceState> states;
    for (const DeviceState state : kMigrationStates) {
        if (has_state(traits, state)) states.push_back(state);
    }
    return states;
}

bool must_accept(const DeviceTraits& traits, DeviceState from, DeviceState target) noexcept {
    const bool back_to_pre_copy =
        from == DeviceState::stop_copy &&
        (target == DeviceState::pre_copy || target == DeviceState::pre_copy_p2p);
    return from != DeviceState::error && has_state(traits, target) && !back_to_pre_copy;
}

}  // namespace multifd
