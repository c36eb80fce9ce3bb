// The printed names of the public enumerations.
#include "engine/session/version.hpp"
#include "multifd/device.hpp"
#include "multifd/report.hpp"

namespace multifd {

std::string software_name() {
    return "multifd " MULTIFD_VERSION;
}

std::string_view to_string(DeviceState state) noexcept {
    switch (state) {
        case DeviceState::error:
            return "error";
        case DeviceState::stop:
            return "stop";
        case DeviceState::running:
            return "running";
        case DeviceState::stop_copy:
            return "stop-copy";
        case DeviceState::resuming:
            return "resuming";
        case DeviceState::running_p2p:
            return "running-p2p";
        case DeviceState::pre_copy:
            return "pre-copy";
        case DeviceState::pre_copy_p2p:
            return "pre-copy-p2p";
    }
    return "unknown";
}

std::string_view to_string(Role role) noexcept {
    return role == Role::source ? "source" : "destination";
}

std::string_view to_string(Status status) noexcept {
    switch (status) {
        case Status::none:
            return "none";
        case Status::setup:
            return "setup";
        case Status::active:
            return "active";
        case Status::pre_switchover:
            return "pre-switchover";
        case Status::device:
            return "device";
        case Status::completed:
            return "completed";
        case Status::failed:
            return "failed";
        case Status::cancelling:
            return "cancelling";
        case Status::cancelled:
            return "cancelled";
        case Status::unknown_owner:
            return "unknown-owner";
    }
    return "none";
}

std::string_view to_string(Owner owner) noexcept {
    switch (owner) {
        case Owner::source:
            return "source";
        case Owner::destination:
            return "destination";
        case Owner::unknown:
            return "unknown";
    }
    return "unknown";
}

}  // namespace multifd
