// What the end of a migration means for its user: owner, whether a retry is safe, what to do next.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/ownership/decision.hpp"
#include "engine/ownership/destination_ownership.hpp"
#include "engine/ownership/source_ownership.hpp"
#include "multifd/report.hpp"

namespace multifd {

/// The fields of a Report that ownership decides.
struct OwnershipSummary {
    Owner owner = Owner::source;
    bool retry_safe = true;
    std::string next_step;  ///< One line: owner, the devices' state, retry, what to do.
};

/// Where the text needs more than the machine's state. The views are used during the call only.
struct OwnershipContext {
    Peer peer = Peer::multifd;
    std::string_view session;         ///< Empty when none was agreed.
    std::string_view device_problem;  ///< "gpu0 is in error"; empty when every device is as said.
};

/// What this end waits for in this state, as Statistics::waits_for says it; else empty.
std::string_view awaited_in(SourceState state) noexcept;
std::string_view awaited_in(DestinationState state) noexcept;
Owner owner_of(SourceState state) noexcept;
Owner owner_of(DestinationState state) noexcept;
OwnershipSummary summarize(SourceState state, const OwnershipContext& context);
OwnershipSummary summarize(DestinationState state, const OwnershipContext& context);

/// Who owns the devices as far as the two records say, when neither process lives any more. An end
/// without a record is empty. Unknown when they do not say, or contradict each other.
Owner recorded_owner(std::optional<Decision> source, std::optional<Decision> destination) noexcept;

}  // namespace multifd
