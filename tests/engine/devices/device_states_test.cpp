#include "engine/devices/device_states.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <vector>

namespace multifd {
namespace {

constexpr std::array<DeviceState, 8> kAll{DeviceState::error,    DeviceState::stop,
                                          DeviceState::running,  DeviceState::stop_copy,
                                          DeviceState::resuming, DeviceState::running_p2p,
                                          DeviceState::pre_copy, DeviceState::pre_copy_p2p};

constexpr std::array<OptionalStates, 4> kOptions{
    OptionalStates{false, false}, {false, true}, {true, false}, {true, true}};

using Arc = std::pair<DeviceState, DeviceState>;

/// The arcs that a driver of the uAPI implements.
std::set<Arc> arcs_of(OptionalStates options) {
    using enum DeviceState;
    std::set<Arc> arcs{{stop, stop_copy}, {stop_copy, stop}, {stop, resuming}, {resuming, stop}};
    if (options.p2p) {
        arcs.insert({{running, running_p2p}, {running_p2p, running}});
        arcs.insert({{running_p2p, stop}, {stop, running_p2p}});
    } else {
        arcs.insert({{running, stop}, {stop, running}});
    }
    if (options.pre_copy) arcs.insert({{running, pre_copy}, {pre_copy, running}});
    if (options.pre_copy && !options.p2p) arcs.insert({pre_copy, stop_copy});
    if (options.pre_copy && options.p2p) {
        arcs.insert({{pre_copy, pre_copy_p2p}, {pre_copy_p2p, pre_copy}});
        arcs.insert({{running_p2p, pre_copy_p2p}, {pre_copy_p2p, running_p2p}});
        arcs.insert({pre_copy_p2p, stop_copy});
    }
    return arcs;
}

/// Why a way cannot exist; the table must refuse these and no other.
bool forbidden(OptionalStates options, DeviceState from, DeviceState target) {
    using enum DeviceState;
    if (from == error || target == error) return true;
    if (!has_state(options, from) || !has_state(options, target)) return true;
    return from == stop_copy && (target == pre_copy || target == pre_copy_p2p);
}

/// The number of arcs of the shortest way.
std::size_t distance(const std::set<Arc>& arcs, DeviceState from, DeviceState target) {
    std::map<DeviceState, std::size_t> seen{{from, 0}};
    std::vector<DeviceState> open{from};
    for (std::size_t index = 0; index < open.size(); ++index) {
        for (const DeviceState next : kAll) {
            if (!arcs.contains({open[index], next}) || seen.contains(next)) continue;
            seen[next] = seen[open[index]] + 1;
            open.push_back(next);
        }
    }
    REQUIRE(seen.contains(target));
    return seen[target];
}

TEST_CASE("every way goes by the device's own arcs, and is a shortest one", "[device_states]") {
    for (const OptionalStates options : kOptions) {
        const std::set<Arc> arcs = arcs_of(options);
        for (const DeviceState from : kAll) {
            for (const DeviceState target : kAll) {
                if (forbidden(options, from, target)) continue;
                CAPTURE(options.p2p, options.pre_copy, to_string(from), to_string(target));
                DeviceStates states(options, from);
                std::size_t steps = 0;
                const CallResult result =
                    states.advance(target, [&](DeviceState left, DeviceState entered) {
                        CHECK(arcs.contains({left, entered}));
                        ++steps;
                        return CallResult::success();
                    });
                CHECK(result.ok());
                CHECK(states.current() == target);
                CHECK(steps == distance(arcs, from, target));
            }
        }
    }
}

TEST_CASE("every forbidden way is refused before any step, naming both states", "[device_states]") {
    std::size_t refused = 0;
    for (const OptionalStates options : kOptions) {
        for (const DeviceState from : kAll) {
            for (const DeviceState target : kAll) {
                if (!forbidden(options, from, target)) continue;
                CAPTURE(options.p2p, options.pre_copy, to_string(from), to_string(target));
                DeviceStates states(options, from);
                const CallResult result = states.advance(target, [](DeviceState, DeviceState) {
                    FAIL("a step was taken");
                    return CallResult::success();
                });
                CHECK(result.error == std::errc::invalid_argument);
                CHECK(result.detail == "no way from state " + std::string(to_string(from)) +
                                           " to " + std::string(to_string(target)));
                CHECK(states.current() == from);
                ++refused;
            }
        }
    }
    CHECK(refused > 60);
    DeviceStates states({true, true}, DeviceState::running);
    CHECK_FALSE(states.advance(static_cast<DeviceState>(8), {}).ok());
    CHECK_FALSE(states.advance(static_cast<DeviceState>(0xffffffff), {}).ok());
}

TEST_CASE("a failed step leaves the device where that step began", "[device_states]") {
    DeviceStates states({true, false}, DeviceState::running);
    const CallResult result =
        states.advance(DeviceState::stop_copy, [](DeviceState, DeviceState target) {
            if (target == DeviceState::stop_copy) {
                return CallResult::failure(std::errc::io_error, "no");
            }
            return CallResult::success();
        });
    CHECK(result.detail == "no");
    CHECK(states.current() == DeviceState::stop);
}

TEST_CASE("a state is found by its printed name", "[device_states]") {
    for (const DeviceState state : kAll) CHECK(state_of_name(to_string(state)) == state);
    CHECK_FALSE(state_of_name("stopped"));
}

}  // namespace
}  // namespace multifd
