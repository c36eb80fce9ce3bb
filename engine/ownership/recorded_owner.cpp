// What the records of a session say about who owns its devices.
#include "engine/ownership/ownership.hpp"
#include "engine/ownership/session_record.hpp"

namespace multifd {
namespace {

Owner owner_by_source(Decision decision) noexcept {
    switch (decision) {
        case Decision::started:
        case Decision::resumed:
            return Owner::source;
        case Decision::given_up:
            return Owner::destination;
        case Decision::commit_decided:
        case Decision::loaded:
        case Decision::starting:
        case Decision::running:
        case Decision::refused:
        case Decision::clean:
            return Owner::unknown;
    }
    return Owner::unknown;
}

Owner owner_by_destination(Decision decision) noexcept {
    switch (decision) {
        case Decision::started:  // It has not said Loaded: no Commit can have come.
        case Decision::refused:
        case Decision::clean:
            return Owner::source;
        case Decision::running:
            return Owner::destination;
        case Decision::loaded:
        case Decision::starting:
        case Decision::commit_decided:
        case Decision::given_up:
        case Decision::resumed:
            return Owner::unknown;
    }
    return Owner::unknown;
}

std::string record_says(const SessionRecord& record) {
    return "The " + std::string(to_string(record.role)) + "'s record says '" +
           std::string(to_string(record.decision)) + "' (" + record.time + "): ";
}

std::string source_advice(Decision decision) {
    switch (decision) {
        case Decision::started:
            return "it had not decided to commit, so the source owns the devices. If its process "
                   "is gone, run them there again; a retry is safe.";
        case Decision::resumed:
            return "the source owns the devices and has taken them back. A retry is safe.";
        case Decision::given_up:
            return "the destination owns the devices and has said that it runs them. Do not run "
                   "them at the source.";
        default:
            return "the source decided to commit and knows no answer; the destination may run the "
                   "devices. Do not run them here: look at the destination's record for the same "
                   "session first.";
    }
}

std::string destination_advice(Decision decision) {
    switch (decision) {
        case Decision::started:
        case Decision::clean:
            return "the destination holds none of the source's state, so the source owns the "
                   "devices. A retry is safe.";
        case Decision::refused:
            return "the destination could start no device and gave them back; the source owns "
                   "them. If the source still waits for an answer, run them there.";
        case Decision::running:
            return "the destination owns the devices. Do not run them at the source.";
        case Decision::loaded:
            return "all was loaded and nothing was started; the source's record decides. Do not "
                   "run the devices here before it says 'commit-decided', and not at the source "
                   "while this end lives.";
        default:
            return "Commit had come and the devices were being started, so they may run here. Do "
                   "not run them at the source unless it is sure that none was started here.";
    }
}

std::string pair_advice(Decision source, Decision destination, Owner owner) {
    if (source == Decision::commit_decided && destination == Decision::loaded) {
        return "The source decided to commit, and the destination had not begun to start anything. "
               "If the destination's process is gone, its loaded state went with it and the source "
               "owns the devices: run them there. While it lives, let it go on or end it first.";
    }
    if (source == Decision::commit_decided && destination == Decision::starting) {
        return "The destination had Commit and began to start the devices, and nobody recorded how "
               "that ended. Treat the destination as the owner; run them at the source only when "
               "it is sure that none was started.";
    }
    switch (owner) {
        case Owner::source:
            return "The source owns the devices; the destination never ran them. If the source's "
                   "process is gone, run them there again; a retry is safe.";
        case Owner::destination:
            return "The destination owns the devices. Do not run them at the source.";
        case Owner::unknown:
            return "The two records contradict each other. Do not run the devices anywhere before "
                   "it is clear which end ran them last; are both records of the same attempt?";
    }
    return {};
}

}  // namespace

Owner recorded_owner(std::optional<Decision> source, std::optional<Decision> destination) noexcept {
    if (!source && !destination) return Owner::unknown;
    if (!destination) return owner_by_source(*source);
    if (!source) return owner_by_destination(*destination);
    const bool may_have_run =
        *destination == Decision::starting || *destination == Decision::running;
    switch (*source) {
        case Decision::started:  // Commit was never sent.
            return may_have_run ? Owner::unknown : Owner::source;
        case Decision::resumed:  // After Refused the destination may not have got to its record.
            return *destination == Decision::running ? Owner::unknown : Owner::source;
        case Decision::given_up:
            return may_have_run ? Owner::destination : Owner::unknown;
        case Decision::commit_decided:
            if (*destination == Decision::started) return Owner::unknown;
            // The destination records `starting` before it starts, so it never did.
            if (*destination == Decision::loaded) return Owner::source;
            return owner_by_destination(*destination);
        case Decision::loaded:
        case Decision::starting:
        case Decision::running:
        case Decision::refused:
        case Decision::clean:
            return Owner::unknown;
    }
    return Owner::unknown;
}

std::string explain_owner(const SessionRecord& record) {
    return record_says(record) + (record.role == Role::source
                                      ? source_advice(record.decision)
                                      : destination_advice(record.decision));
}

std::string explain_owner(const SessionRecord& source, const SessionRecord& destination) {
    const Owner owner = recorded_owner(source.decision, destination.decision);
    return "The source's record says '" + std::string(to_string(source.decision)) +
           "', the destination's '" + std::string(to_string(destination.decision)) +
           "'. Owner: " + std::string(to_string(owner)) + ". " +
           pair_advice(source.decision, destination.decision, owner);
}

}  // namespace multifd
