#include "engine/devices/device_states.hpp"

#include <array>

namespace multifd {
namespace {

constexpr std::size_t kStates = 8;
constexpr std::array<DeviceState, kStates> kAllStates{
    DeviceState::error,     DeviceState::stop,        DeviceState::running,
    DeviceState::stop_copy, DeviceState::resuming,    DeviceState::running_p2p,
    DeviceState::pre_copy,  DeviceState::pre_copy_p2p};

constexpr std::size_t index_of(DeviceState state) noexcept {
    return static_cast<std::size_t>(state);
}

// One letter per state, so that the table reads at a glance: E error, S stop, R running, C
// stop-copy, L resuming (loads), r running-p2p, P pre-copy, p pre-copy-p2p.
constexpr std::string_view kLetters = "ESRCLrPp";

// Row: where the device is. Column, in the order of kLetters: where it shall go. Entry: the next
// step for a device that has all states. A device that lacks one goes on along the same way from
// there.
constexpr std::array<std::string_view, kStates> kNext{
    // ESRCLrPp
    "EEEEEEEE",  // error: only a reset leaves it.
    "ESrCLrrr",  // stop
    "ErRrrrPP",  // running
    "ESSCSSEE",  // stop-copy: what has been saved stopped cannot become pre-copy.
    "ESSSLSSS",  // resuming
    "ESRSSrRp",  // running-p2p
    "ERRpRRPp",  // pre-copy
    "ErrCrrPp",  // pre-copy-p2p
};

constexpr DeviceState next_of_full_device(DeviceState from, DeviceState target) noexcept {
    return kAllStates[kLetters.find(kNext[index_of(from)][index_of(target)])];
}

}  // namespace

bool has_state(OptionalStates options, DeviceState state) noexcept {
    switch (state) {
        case DeviceState::error:
            return false;
        case DeviceState::stop:
        case DeviceState::running:
        case DeviceState::stop_copy:
        case DeviceState::resuming:
            return true;
        case DeviceState::running_p2p:
            return options.p2p;
        case DeviceState::pre_copy:
            return options.pre_copy;
        case DeviceState::pre_copy_p2p:
            return options.pre_copy && options.p2p;
    }
    return false;  // A number that is no state, from a caller's cast.
}

bool saves_in(DeviceState state) noexcept {
    return state == DeviceState::stop_copy || state == DeviceState::pre_copy ||
           state == DeviceState::pre_copy_p2p;
}

std::optional<DeviceState> next_state(OptionalStates options, DeviceState from,
                                      DeviceState target) noexcept {
    if (!has_state(options, from) || !has_state(options, target)) return std::nullopt;
    DeviceState next = next_of_full_device(from, target);
    // Every way in the table ends at its target, and the device has the target.
    while (next != DeviceState::error && !has_state(options, next)) {
        next = next_of_full_device(next, target);
    }
    if (next == DeviceState::error) return std::nullopt;
    return next;
}

std::optional<DeviceState> state_of_name(std::string_view name) noexcept {
    for (const DeviceState state : kAllStates) {
        if (to_string(state) == name) return state;
    }
    return std::nullopt;
}

CallResult DeviceStates::advance(DeviceState target, const Step& step) {
    if (!next_state(options_, current(), target)) {
        return CallResult::failure(std::errc::invalid_argument, std::string("no way from state ")
                                                                    .append(to_string(current()))
                                                                    .append(" to ")
                                                                    .append(to_string(target)));
    }
    while (current() != target) {
        const DeviceState from = current();
        const DeviceState next = *next_state(options_, from, target);
        CallResult stepped = step(from, next);
        if (!stepped.ok()) return stepped;
        enter(next);
    }
    return CallResult::success();
}

CallResult DeviceStates::require(std::string_view call, DeviceState allowed) const {
    if (current() == allowed) return CallResult::success();
    return CallResult::failure(std::errc::invalid_argument, std::string(call)
                                                                .append(" needs state ")
                                                                .append(to_string(allowed))
                                                                .append(", the device is in ")
                                                                .append(to_string(current())));
}

}  // namespace multifd
