// The printed names of the ownership machines' states, events and actions, and of decisions.
#include <algorithm>
#include <array>
#include <utility>

#include "engine/ownership/decision.hpp"
#include "engine/ownership/destination_ownership.hpp"
#include "engine/ownership/source_ownership.hpp"

namespace multifd {
namespace {

constexpr auto kDecisions = std::to_array<std::pair<Decision, std::string_view>>({
    {Decision::started, "started"},
    {Decision::commit_decided, "commit-decided"},
    {Decision::given_up, "given-up"},
    {Decision::resumed, "resumed"},
    {Decision::loaded, "loaded"},
    {Decision::starting, "starting"},
    {Decision::running, "running"},
    {Decision::refused, "refused"},
    {Decision::clean, "clean"},
});

constexpr auto kSourceStates = std::to_array<std::string_view>(
    {"owning", "awaiting-loaded", "verifying", "deciding", "withdrawing", "committed", "unknown",
     "given-up", "resumed", "released"});
constexpr auto kSourceEvents = std::to_array<std::string_view>(
    {"everything_sent", "loaded_received", "verified_ok", "verification_failed", "local_failure",
     "cancel_requested", "peer_cancel_requested", "record_written", "record_failed",
     "running_received", "refused_received", "clean_end", "main_channel_ended", "deadline_passed",
     "release"});
constexpr auto kSourceActions = std::to_array<std::string_view>(
    {"verify", "record_commit_decided", "record_given_up", "record_resumed", "send_eof",
     "send_commit", "send_abort", "close_main", "resume_devices", "keep_stopped",
     "report_completed", "report_failed", "report_unknown_owner"});
constexpr auto kDestinationStates = std::to_array<std::string_view>(
    {"loading", "recording-loaded", "loaded", "recording-commit", "starting", "unknown", "running",
     "running-partly", "refused", "clean", "released"});
constexpr auto kDestinationEvents = std::to_array<std::string_view>(
    {"all_loaded", "load_failed", "cancel_requested", "commit_received", "abort_received",
     "main_channel_ended", "deadline_passed", "record_written", "record_failed", "start_succeeded",
     "start_failed_none_started", "start_failed_some_started", "release"});
constexpr auto kDestinationActions = std::to_array<std::string_view>(
    {"record_loaded", "record_starting", "record_running", "record_refused", "record_clean",
     "send_loaded", "send_running", "send_refused", "send_shut", "send_shut_error", "start_devices",
     "clean_devices", "keep_stopped", "request_cancel_from_source", "report_completed",
     "report_failed", "report_unknown_owner"});

template <class Enum, std::size_t N>
constexpr std::string_view name_in(const std::array<std::string_view, N>& names,
                                   Enum value) noexcept {
    const auto index = static_cast<std::size_t>(value);
    return index < N ? names[index] : "unknown";
}

// Each list has a name for every enumerator.
static_assert(kSourceStates.size() == static_cast<std::size_t>(SourceState::released) + 1);
static_assert(kSourceEvents.size() == static_cast<std::size_t>(SourceEvent::release) + 1);
static_assert(kSourceActions.size() ==
              static_cast<std::size_t>(SourceAction::report_unknown_owner) + 1);
static_assert(kDestinationStates.size() ==
              static_cast<std::size_t>(DestinationState::released) + 1);
static_assert(kDestinationEvents.size() == static_cast<std::size_t>(DestinationEvent::release) + 1);
static_assert(kDestinationActions.size() ==
              static_cast<std::size_t>(DestinationAction::report_unknown_owner) + 1);

}  // namespace

std::string_view to_string(Decision decision) noexcept {
    const auto* found =
        std::ranges::find(kDecisions, decision, &decltype(kDecisions)::value_type::first);
    return found == kDecisions.end() ? "unknown" : found->second;
}

std::optional<Decision> decision_of_name(std::string_view name) noexcept {
    const auto* found =
        std::ranges::find(kDecisions, name, &decltype(kDecisions)::value_type::second);
    if (found == kDecisions.end()) return std::nullopt;
    return found->first;
}

std::string_view to_string(SourceState state) noexcept {
    return name_in(kSourceStates, state);
}
std::string_view to_string(SourceEvent event) noexcept {
    return name_in(kSourceEvents, event);
}
std::string_view to_string(SourceAction action) noexcept {
    return name_in(kSourceActions, action);
}
std::string_view to_string(DestinationState state) noexcept {
    return name_in(kDestinationStates, state);
}
std::string_view to_string(DestinationEvent event) noexcept {
    return name_in(kDestinationEvents, event);
}
std::string_view to_string(DestinationAction action) noexcept {
    return name_in(kDestinationActions, action);
}

}  // namespace multifd
