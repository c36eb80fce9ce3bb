#include "engine/devices/fault_plan.hpp"

#include <array>
#include <new>
#include <stdexcept>
#include <utility>

#include "engine/devices/device_states.hpp"
#include "engine/text/quantity.hpp"

namespace multifd {
namespace {

constexpr std::array<std::pair<std::string_view, FaultStep>, 8> kSteps{{
    {"read", FaultStep::read},
    {"write", FaultStep::write},
    {"set-state", FaultStep::set_state},
    {"save-config", FaultStep::save_config},
    {"load-config", FaultStep::load_config},
    {"sizes", FaultStep::sizes},
    {"reset", FaultStep::reset},
    {"dma-logging", FaultStep::dma_logging},
}};

std::string_view name_of(FaultStep step) {
    for (const auto& [name, value] : kSteps) {
        if (value == step) return name;
    }
    return "call";
}

[[noreturn]] void never_return() {
    // A clock of its own, which nobody can reach to interrupt it.
    SteadyDeviceClock unreachable;
    while (true) static_cast<void>(unreachable.wait_until(DeviceClock::TimePoint::max()));
}

}  // namespace

std::optional<std::vector<Fault>> parse_fault(FaultKind kind, std::string_view text) {
    const std::size_t colon = text.find(':');
    const std::string_view step_name = text.substr(0, colon);
    const bool has_place = colon != std::string_view::npos;
    const std::string_view place = has_place ? text.substr(colon + 1) : std::string_view();
    if (step_name == "config" && !has_place) {
        return std::vector<Fault>{{kind, FaultStep::save_config, 0, {}},
                                  {kind, FaultStep::load_config, 0, {}}};
    }
    for (const auto& [name, step] : kSteps) {
        if (name != step_name) continue;
        Fault fault{kind, step, 0, {}};
        if (!has_place) return std::vector<Fault>{fault};
        if (step == FaultStep::set_state) {
            fault.at_state = state_of_name(place);
            if (!fault.at_state) return std::nullopt;
            return std::vector<Fault>{fault};
        }
        const auto bytes = parse_size(place);
        if (!bytes || (step != FaultStep::read && step != FaultStep::write)) return std::nullopt;
        fault.at_bytes = *bytes;
        return std::vector<Fault>{fault};
    }
    return std::nullopt;
}

CallResult FaultPlan::check(FaultStep step, std::uint64_t reached, DeviceClock& clock) {
    for (std::size_t index = 0; index < faults_.size(); ++index) {
        if (faults_[index].step == step && reached > faults_[index].at_bytes) {
            return happen(index, clock);
        }
    }
    return CallResult::success();
}

CallResult FaultPlan::check_state(DeviceState target, DeviceClock& clock) {
    for (std::size_t index = 0; index < faults_.size(); ++index) {
        const Fault& fault = faults_[index];
        if (fault.step == FaultStep::set_state && fault.at_state.value_or(target) == target) {
            return happen(index, clock);
        }
    }
    return CallResult::success();
}

CallResult FaultPlan::happen(std::size_t index, DeviceClock& clock) {
    const Fault fault = faults_[index];
    faults_.erase(faults_.begin() + static_cast<std::ptrdiff_t>(index));
    const std::string place = std::string("injected in ").append(name_of(fault.step));
    switch (fault.kind) {
        case FaultKind::fail:
            break;
        case FaultKind::hang:
            static_cast<void>(clock.wait_until(DeviceClock::TimePoint::max()));
            return CallResult::failure(std::errc::operation_canceled, "interrupted hang " + place);
        case FaultKind::stuck:
            never_return();
        case FaultKind::thrown:
            throw std::runtime_error("exception " + place);
        case FaultKind::exhaust:
            throw std::bad_alloc();
    }
    return CallResult::failure(std::errc::io_error, "failure " + place);
}

}  // namespace multifd
