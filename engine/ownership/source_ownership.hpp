// SourceOwnership: when the source owns its devices, gives them up, or cannot know. Sans-I/O.
#pragma once

#include <compare>
#include <string_view>

#include "engine/ownership/action_list.hpp"
#include "multifd/settings.hpp"
#include "multifd/source.hpp"

namespace multifd {

/// The source's side of the commit.
///
///     owning --everything_sent--> awaiting_loaded --Loaded--> verifying --verified_ok--> deciding
///        |                              |                         |                      |    |
///        +------- any failure, cancel or end of the connection ---+       record written |    |
///        |                                                                               |    |
///        v          record failed, or the record took too long                           v    |
///     resumed <---------------------------------------------------------- committed <----+    |
///        ^                                                     Refused |  |   |               |
///        +-------------------------------------------------------------+  |   | Running       |
///        ^                             end, failure, deadline: no Running |   v               |
///        |                                                    unknown <---+ given_up          |
///        +-- record withdrawn -- withdrawing <--- main channel ended while deciding ----------+
///
/// Towards QEMU there is no Loaded: owning --everything_sent--> deciding --> committed, and the
/// stream's EOF is the commit, because QEMU runs when it has it.
enum class SourceState {
    owning,           ///< The destination cannot have everything.
    awaiting_loaded,  ///< It may have everything, but never runs without Commit.
    verifying,        ///< Loaded has come: digests are compared, the host is asked.
    deciding,         ///< The decision to commit is being written; no byte of Commit has left.
    withdrawing,      ///< The written decision is being taken back; Commit was never sent.
    committed,        ///< In doubt until Running or Refused.
    unknown,          ///< In doubt, and this connection is not expected to end it.
    given_up,         ///< The destination owns the devices. Final.
    resumed,          ///< The source owns them, as before the migration. Final.
    released,         ///< Left in doubt by the operator; devices stay stopped. Final.
};

enum class SourceEvent {
    /// Raised before the first byte that lets the destination have everything goes to the kernel:
    /// multifd: EOF and what follows it. QEMU: before EOF, which the action send_eof sends.
    everything_sent,
    loaded_received,
    verified_ok,          ///< Digests agree and the host agrees.
    verification_failed,  ///< Either does not.
    local_failure,        ///< Any other failure, the peer's error message included.
    cancel_requested,     ///< Here; after ask_cancel() said accepted.
    peer_cancel_requested,
    record_written,  ///< The record_* action's data is durable.
    record_failed,
    running_received,  ///< QEMU: SHUT 0.
    refused_received,  ///< QEMU: SHUT with an error.
    clean_end,  ///< Only QEMU without a return path: the connection ended in good order after EOF.
    main_channel_ended,  ///< However it ended; all messages before the end have been raised.
    deadline_passed,
    release,  ///< The operator ends the waiting in doubt.
};

enum class SourceAction {
    verify,                 ///< Compare digests, ask Host::about_to_commit(); answer verified_ok or
                            ///< verification_failed.
    record_commit_decided,  ///< The record_* actions: write, then raise record_written or
                            ///< record_failed.
    record_given_up,
    record_resumed,
    send_eof,        ///< QEMU: EOF and VMDESCRIPTION.
    send_commit,     ///< A failure to send is local_failure.
    send_abort,      ///< A failure to send is nothing.
    close_main,      ///< Instead of Abort, where none can be sent.
    resume_devices,  ///< Back to the state they had, and Host::resume() after a pause().
    keep_stopped,    ///< Devices stay in STOP with their state.
    report_completed,
    report_failed,  ///< failed or cancelled, as the first cause says.
    report_unknown_owner,
};

using SourceActions = ActionList<SourceAction>;

/// Where the main channel's sender stands: Abort is a record and cannot stand inside another.
enum class MainChannelPosition { between_records, inside_record };

/// Ownership: holds nothing but its state; a copy is a snapshot.
/// Threads:   not thread-safe; the session guards it. Actions are done outside the guard.
/// Errors:    none: every event is legal in every state, since peers raise them. A peer's message
///            out of order before Commit counts as failure; what changes nothing gives no action.
class SourceOwnership {
  public:
    explicit SourceOwnership(Peer peer) noexcept : peer_(peer) {}

    /// Takes one event; the caller does the actions in order before the next event that it raises
    /// from the same thread.
    SourceActions on(SourceEvent event,
                     MainChannelPosition position = MainChannelPosition::between_records);

    /// The answer to a cancel, at once and binding: once it has said accepted, nothing is decided
    /// any more, and the session raises cancel_requested as soon as its thread gets there.
    CancelAnswer ask_cancel() noexcept;

    [[nodiscard]] SourceState state() const noexcept { return state_; }
    /// Nothing more will happen.
    [[nodiscard]] bool final() const noexcept;
    /// From the first byte of Commit until Running or Refused.
    [[nodiscard]] bool in_doubt() const noexcept;

    auto operator<=>(const SourceOwnership&) const = default;

  private:
    using Action = SourceAction;
    using Event = SourceEvent;
    using State = SourceState;

    SourceActions before_decision(SourceEvent event, MainChannelPosition position);
    SourceActions while_deciding(SourceEvent event);
    SourceActions while_withdrawing(SourceEvent event);
    SourceActions after_commit(SourceEvent event);
    SourceActions decide();
    SourceActions fail(MainChannelPosition position);
    SourceActions enter_unknown();
    SourceActions complete();

    Peer peer_;
    SourceState state_ = SourceState::owning;
    bool main_channel_ended_ = false;
    bool cancel_asked_ = false;
    bool withdraw_ = false;  ///< While deciding: something ended the migration meanwhile.
};

std::string_view to_string(SourceState state) noexcept;
std::string_view to_string(SourceEvent event) noexcept;
std::string_view to_string(SourceAction action) noexcept;

}  // namespace multifd
