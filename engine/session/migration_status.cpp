#include "engine/session/migration_status.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

constexpr auto kFromNone = std::to_array({Status::setup, Status::failed, Status::cancelling});
constexpr auto kFromSetup = std::to_array({Status::active, Status::failed, Status::cancelling});
constexpr auto kSourceFromActive =
    std::to_array({Status::pre_switchover, Status::device, Status::failed, Status::cancelling});
constexpr auto kDestinationFromActive =
    std::to_array({Status::device, Status::completed, Status::failed, Status::cancelling});
constexpr auto kFromPreSwitchover =
    std::to_array({Status::device, Status::failed, Status::cancelling});
constexpr auto kFromDevice =
    std::to_array({Status::completed, Status::failed, Status::cancelling, Status::unknown_owner});
constexpr auto kSourceFromCancelling =
    std::to_array({Status::cancelled, Status::failed, Status::completed});
constexpr auto kDestinationFromCancelling =
    std::to_array({Status::cancelled, Status::failed, Status::completed, Status::unknown_owner});
constexpr auto kFromUnknownOwner =
    std::to_array({Status::completed, Status::failed, Status::cancelled});

}  // namespace

std::span<const Status> followers(Role role, Status from) noexcept {
    const bool source = role == Role::source;
    switch (from) {
        case Status::none:
            return kFromNone;
        case Status::setup:
            return kFromSetup;
        case Status::active:
            if (source) return kSourceFromActive;
            return kDestinationFromActive;
        case Status::pre_switchover:
            if (source) return kFromPreSwitchover;
            return {};  // A destination is never in it.
        case Status::device:
            return kFromDevice;
        case Status::cancelling:
            if (source) return kSourceFromCancelling;
            return kDestinationFromCancelling;
        case Status::unknown_owner:
            return kFromUnknownOwner;
        case Status::completed:
        case Status::failed:
        case Status::cancelled:
            return {};
    }
    return {};
}

bool may_follow(Role role, Status from, Status to) noexcept {
    const auto allowed = followers(role, from);
    return std::ranges::find(allowed, to) != allowed.end();
}

bool is_final(Status status) noexcept {
    return status == Status::completed || status == Status::failed || status == Status::cancelled;
}

void StatusTracker::set(Status next) {
    MULTIFD_ASSERT(may_follow(role_, status_, next));
    status_ = next;
}

bool StatusTracker::try_set(Status next) noexcept {
    if (!may_follow(role_, status_, next)) return false;
    status_ = next;
    return true;
}

}  // namespace multifd
