// Items about states and the ways between them.
#include <algorithm>
#include <set>

#include "engine/conformance/items.hpp"
#include "engine/conformance/transition_rules.hpp"

namespace multifd {
namespace {

std::string words_of(DeviceState from, DeviceState target) {
    return "set_state(" + std::string(to_string(target)) + ") in " + std::string(to_string(from));
}

// Numbers that are no state, as a newer user might send them.
constexpr auto kNoStates = std::to_array<std::uint32_t>({8, 0xffffffff});

std::vector<DeviceState> forbidden_targets(const DeviceTraits& traits, DeviceState from) {
    std::vector<DeviceState> targets{DeviceState::error};
    for (const DeviceState target : kMigrationStates) {
        if (!must_accept(traits, from, target)) targets.push_back(target);
    }
    for (const std::uint32_t number : kNoStates) targets.push_back(DeviceState(number));
    return targets;
}

/// Makes one transition and brings the device back; false when the device lacks `target` in its
/// role.
bool make_transition(Bench& bench, CheckedDevice& device, DeviceState from, DeviceState target) {
    if (!bench.accepts(device, target)) return false;
    if (target != DeviceState::resuming) return true;
    if (from == DeviceState::resuming) {
        device.set_state(DeviceState::stop);  // All of a state has been written.
    } else {
        bench.give_up_loading(device, bench.saved());
    }
    return true;
}

std::size_t check_transitions_of(Bench& bench, CheckedDevice& device) {
    const auto states = states_of(device.traits());
    std::set<DeviceState> lacking;
    std::size_t made = 0;
    for (const DeviceState from : states) {
        for (const DeviceState target : states) {
            const bool lacks = lacking.contains(from) || lacking.contains(target);
            if (lacks || !must_accept(device.traits(), from, target)) continue;
            if (!bench.enter(device, from, bench.saved())) {
                lacking.insert(from);
            } else if (!make_transition(bench, device, from, target)) {
                lacking.insert(target);
            } else {
                ++made;
            }
        }
    }
    for (const DeviceState state : lacking) {
        bench.note(device.name() + " has no " + std::string(to_string(state)));
    }
    bench.run(device);
    return made;
}

void check_refusal(Bench& bench, CheckedDevice& device, DeviceState from, DeviceState target) {
    const CallResult made = device.try_set_state(target);
    if (made.ok()) device.fail(words_of(from, target) + " succeeded; it must be refused");
    const DeviceState after = device.state();
    if (after != from) {
        device.fail(words_of(from, target) + " was refused, as it must be, but the device is now " +
                    "in " + std::string(to_string(after)) + ": a refusal changes nothing");
    }
    if (from == DeviceState::resuming) device.set_state(DeviceState::stop);
    bench.run(device);
}

std::size_t check_forbidden_transitions_of(Bench& bench, CheckedDevice& device) {
    std::size_t refused = 0;
    for (const DeviceState from : states_of(device.traits())) {
        for (const DeviceState target : forbidden_targets(device.traits(), from)) {
            if (!bench.enter(device, from, bench.saved())) break;
            check_refusal(bench, device, from, target);
            ++refused;
        }
    }
    return refused;
}

/// In states that lose nothing by it a reset may be refused, as long as that changes nothing.
void check_reset_in(Bench& bench, CheckedDevice& device, DeviceState state) {
    if (state == DeviceState::resuming || state == DeviceState::running) {
        bench.reset(device);
        return;
    }
    const bool made = device.try_reset().ok();
    const DeviceState after = device.state();
    const bool at_rest = after == DeviceState::running || after == DeviceState::stop;
    if (made && !at_rest) {
        device.fail("reset() in " + std::string(to_string(state)) + " succeeded, but leaves it " +
                    "in " + std::string(to_string(after)) + " instead of running or stop");
    }
    if (!made && after != state) {
        device.fail("reset() in " + std::string(to_string(state)) + " was refused, but the " +
                    "device is now in " + std::string(to_string(after)));
    }
    if (!made) bench.note(device.name() + " refuses it in " + std::string(to_string(state)));
}

}  // namespace

void check_initial_state(Bench& bench) {
    for (CheckedDevice* device : bench.devices()) {
        const DeviceState state = device->state();
        if (state != DeviceState::running && state != DeviceState::stop) {
            device->fail("it begins in " + std::string(to_string(state)) +
                         " instead of running or stop");
        }
        bench.run(*device);
    }
}

void check_transitions(Bench& bench) {
    bench.save_source();
    std::size_t made = 0;
    for (CheckedDevice* device : bench.devices()) made += check_transitions_of(bench, *device);
    bench.note(std::to_string(made) + " transitions");
}

void check_forbidden_transitions(Bench& bench) {
    bench.save_source();
    std::size_t refused = 0;
    for (CheckedDevice* device : bench.devices()) {
        refused += check_forbidden_transitions_of(bench, *device);
    }
    bench.note(std::to_string(refused) + " refusals");
}

void check_reset(Bench& bench) {
    bench.save_source();
    for (CheckedDevice* device : bench.devices()) {
        // First where it must work, which also shows whether the device has one.
        try {
            if (bench.enter(*device, DeviceState::resuming, bench.saved())) bench.reset(*device);
        } catch (const NotApplicable&) {
            device->set_state(DeviceState::stop);  // All of a state has been written.
            throw;
        }
        for (const DeviceState state : states_of(device->traits())) {
            if (!bench.enter(*device, state, bench.saved())) continue;
            check_reset_in(bench, *device, state);
        }
        bench.run(*device);
    }
}

}  // namespace multifd
