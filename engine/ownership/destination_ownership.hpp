// DestinationOwnership: when the destination may run the devices, must clean them, or cannot know.
// Sans-I/O.
#pragma once

#include <compare>
#include <string_view>

#include "engine/ownership/action_list.hpp"
#include "multifd/settings.hpp"
#include "multifd/source.hpp"

namespace multifd {

/// The destination's side of the commit.
///
///     loading --all_loaded--> recording_loaded --record written--> loaded --Commit--+
///        |                          |                               |  |            |
///        |   any failure, cancel    |                         Abort |  | main       v
///        +--- or end: cleaned ------+-------> clean <---------------+  | ended   recording_commit
///                                               ^                      v            |   ^   |
///                                               +------- Abort ----- unknown -------|---+   |
///                                                                         Commit    |       |
///                        running, running_partly <---- starting <-------------------+       |
///                                                         | none started      record failed |
///                                                         +----> refused <------------------+
///
/// Towards QEMU, all_loaded is the commit: loading --all_loaded--> recording_commit.
enum class DestinationState {
    loading,           ///< Nothing has been promised; any end cleans the devices.
    recording_loaded,  ///< All is loaded; the record is being written, Loaded has not been sent.
    loaded,            ///< In doubt: devices in STOP, waiting for Commit or Abort.
    recording_commit,  ///< Commit has come; the record is being written, nothing has started.
    starting,          ///< Devices are being started; from here on this end owns them.
    unknown,           ///< In doubt, and this connection is not expected to end it.
    running,           ///< This end owns the devices, all run. Final.
    running_partly,    ///< This end owns them, but some could not be started. Final.
    refused,           ///< Commit came, none was started; the source owns them. Final.
    clean,             ///< Without the source's state; the source owns them. Final.
    released,          ///< Left in doubt by the operator; devices stay in STOP. Final.
};

enum class DestinationEvent {
    all_loaded,   ///< All state is in, validated (devices in STOP), digests agree; EOF was read.
    load_failed,  ///< Any failure here.
    cancel_requested,  ///< Here; after ask_cancel() said accepted or requested.
    commit_received,
    abort_received,
    main_channel_ended,  ///< However it ended; all messages before the end have been raised.
    deadline_passed,
    record_written,  ///< The record_* action's data is durable.
    record_failed,
    start_succeeded,
    start_failed_none_started,
    start_failed_some_started,  ///< Or it cannot be known whether one runs.
    release,                    ///< The operator ends the waiting in doubt.
};

enum class DestinationAction {
    record_loaded,  ///< The record_* actions: write, then raise record_written or record_failed.
    record_starting,
    record_running,
    record_refused,
    record_clean,
    send_loaded,   ///< A failure to send is main_channel_ended.
    send_running,  ///< With the failure, when some device could not be started.
    send_refused,
    send_shut,        ///< QEMU: SHUT 0.
    send_shut_error,  ///< QEMU: SHUT 1.
    start_devices,    ///< RUNNING_P2P, RUNNING, Host::start(); answer start_*.
    clean_devices,    ///< Reset, then STOP.
    keep_stopped,     ///< Devices stay in STOP with their state.
    request_cancel_from_source,
    report_completed,
    report_failed,  ///< failed or cancelled, as the first cause says; the source is told the cause.
    report_unknown_owner,
};

using DestinationActions = ActionList<DestinationAction>;

/// Ownership, Threads,
/// Errors:    as SourceOwnership.
class DestinationOwnership {
  public:
    explicit DestinationOwnership(Peer peer) noexcept : peer_(peer) {}

    DestinationActions on(DestinationEvent event);

    /// The answer to a cancel, at once and binding. After accepted and requested the session raises
    /// cancel_requested.
    CancelAnswer ask_cancel() noexcept;

    [[nodiscard]] DestinationState state() const noexcept { return state_; }
    [[nodiscard]] bool final() const noexcept;
    /// From the first byte of Loaded until Commit or Abort.
    [[nodiscard]] bool in_doubt() const noexcept;

    auto operator<=>(const DestinationOwnership&) const = default;

  private:
    using Action = DestinationAction;
    using Event = DestinationEvent;
    using State = DestinationState;

    DestinationActions before_loaded(DestinationEvent event);
    DestinationActions while_in_doubt(DestinationEvent event);
    DestinationActions while_recording_commit(DestinationEvent event);
    DestinationActions while_starting(DestinationEvent event);
    DestinationActions clean();
    DestinationActions refuse();
    DestinationActions run(DestinationState how);

    Peer peer_;
    DestinationState state_ = DestinationState::loading;
    bool cancel_asked_ = false;
    bool cancel_sent_ = false;  ///< The source has been asked once; asking again adds nothing.
};

std::string_view to_string(DestinationState state) noexcept;
std::string_view to_string(DestinationEvent event) noexcept;
std::string_view to_string(DestinationAction action) noexcept;

}  // namespace multifd
