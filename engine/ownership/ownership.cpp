#include "engine/ownership/ownership.hpp"

namespace multifd {
namespace {

std::string status_command(const OwnershipContext& context, std::string_view where) {
    if (context.peer == Peer::qemu) return "ask QEMU there (query-status)";
    std::string text = "run 'multifd status";
    if (!context.session.empty()) text.append(" ").append(context.session);
    return text.append("' ").append(where);
}

// A QEMU stream has no commit, so the other end's part of each sentence is a hope.
OwnershipSummary finish(OwnershipSummary summary, const OwnershipContext& context) {
    if (context.peer == Peer::qemu) {
        summary.next_step +=
            " A QEMU stream has neither commit nor verification: make sure that not both ends run.";
    }
    return summary;
}

OwnershipSummary source_owns(std::string where, const OwnershipContext& context) {
    if (context.device_problem.empty()) {
        return finish(
            {Owner::source, true, "The source owns the devices; " + where + ". A retry is safe."},
            context);
    }
    return finish({Owner::source, false,
                   "The source owns the devices, but here " + std::string(context.device_problem) +
                       ": reset or replace what is wrong, then retry."},
                  context);
}

OwnershipSummary destination_owns(std::string where, const OwnershipContext& context) {
    std::string text = "The destination owns the devices; " + where;
    if (!context.device_problem.empty()) {
        text.append(", but here ").append(context.device_problem);
    }
    return finish({Owner::destination, false,
                   text + ". Do not retry and do not run them at the "
                          "source."},
                  context);
}

OwnershipSummary nobody_knows(std::string why, const OwnershipContext& context,
                              std::string_view where) {
    return finish({Owner::unknown, false,
                   "It is not known who owns the devices: " + why +
                       ". Here they are stopped and keep their state. Do not retry and do not run "
                       "them: " +
                       status_command(context, where) + " and let only one end go on."},
                  context);
}

}  // namespace

std::string_view awaited_in(SourceState state) noexcept {
    switch (state) {
        case SourceState::awaiting_loaded:
            return "the destination to load";
        case SourceState::verifying:
        case SourceState::deciding:
            return "the decision to commit";
        case SourceState::committed:
            return "the destination to start";
        case SourceState::unknown:
            return "the owner to be known";
        case SourceState::owning:
        case SourceState::withdrawing:
        case SourceState::given_up:
        case SourceState::resumed:
        case SourceState::released:
            break;
    }
    return {};
}

std::string_view awaited_in(DestinationState state) noexcept {
    switch (state) {
        case DestinationState::recording_loaded:
        case DestinationState::loaded:
            return "the source to commit";
        case DestinationState::recording_commit:
        case DestinationState::starting:
            return "the devices to start";
        case DestinationState::unknown:
            return "the owner to be known";
        case DestinationState::loading:
        case DestinationState::running:
        case DestinationState::running_partly:
        case DestinationState::refused:
        case DestinationState::clean:
        case DestinationState::released:
            break;
    }
    return {};
}

Owner owner_of(SourceState state) noexcept {
    switch (state) {
        case SourceState::owning:
        case SourceState::awaiting_loaded:
        case SourceState::verifying:
        case SourceState::deciding:  // Commit has not been sent.
        case SourceState::withdrawing:
        case SourceState::resumed:
            return Owner::source;
        case SourceState::given_up:
            return Owner::destination;
        case SourceState::committed:
        case SourceState::unknown:
        case SourceState::released:
            return Owner::unknown;
    }
    return Owner::unknown;
}

Owner owner_of(DestinationState state) noexcept {
    switch (state) {
        case DestinationState::loading:
        case DestinationState::recording_loaded:
        case DestinationState::refused:
        case DestinationState::clean:
            return Owner::source;
        case DestinationState::recording_commit:  // Commit has come.
        case DestinationState::starting:
        case DestinationState::running:
        case DestinationState::running_partly:
            return Owner::destination;
        case DestinationState::loaded:
        case DestinationState::unknown:
        case DestinationState::released:
            return Owner::unknown;
    }
    return Owner::unknown;
}

OwnershipSummary summarize(SourceState state, const OwnershipContext& context) {
    switch (owner_of(state)) {
        case Owner::source:
            if (state == SourceState::resumed) {
                return source_owns("they are back in the state they had before", context);
            }
            return source_owns("the destination has not been told to run them", context);
        case Owner::destination:
            return destination_owns("here they are stopped", context);
        case Owner::unknown:
            return nobody_knows("the decision to commit was made and the answer is missing",
                                context, "at the destination");
    }
    return {};
}

OwnershipSummary summarize(DestinationState state, const OwnershipContext& context) {
    switch (owner_of(state)) {
        case Owner::source:
            return source_owns("here they hold none of its state", context);
        case Owner::destination:
            if (state == DestinationState::running) {
                return destination_owns("they run here", context);
            }
            if (state == DestinationState::running_partly) {
                return destination_owns("some of them could not be started here", context);
            }
            return destination_owns("they are being started here", context);
        case Owner::unknown:
            return nobody_knows("all is loaded and the source's Commit or Abort is missing",
                                context, "at the source");
    }
    return {};
}

}  // namespace multifd
