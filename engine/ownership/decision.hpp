// Decision: what an end has put on record about who owns the devices.
#pragma once

#include <optional>
#include <string_view>

namespace multifd {

/// The last decision that stands in a session's record. Names are the file's.
///
///     source        started -> commit-decided -> given-up
///                      |             +-> resumed (Refused, or withdrawn before Commit was sent)
///                      +-> resumed
///     destination   started -> loaded -> starting -> running
///                      |          |          +-> refused
///                      +----------+-> clean
///
/// Written before it takes effect: commit-decided before Commit, loaded before Loaded, starting
/// before the first device starts.
enum class Decision {
    started,
    // Source.
    commit_decided,
    given_up,
    resumed,
    // Destination.
    loaded,
    starting,
    running,
    refused,
    clean,
};

std::string_view to_string(Decision decision) noexcept;  ///< "commit-decided", "given-up", ...
std::optional<Decision> decision_of_name(std::string_view name) noexcept;

}  // namespace multifd
