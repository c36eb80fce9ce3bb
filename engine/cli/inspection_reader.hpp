// What the readers of a recording's files collect on their way.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "channels/wire/error.hpp"
#include "channels/wire/hello.hpp"
#include "channels/wire/message_bodies.hpp"
#include "engine/cli/inspection.hpp"

namespace multifd {

/// What one end said on the main channel that can be held against what the other said.
struct Conversation {
    bool main_channel_seen = false;
    bool return_path_seen = false;
    bool return_path_opened = false;
    bool switchover_seen = false;
    bool eof_seen = false;
    bool abort_seen = false;
    bool commit_seen = false;
    bool running_seen = false;
    std::optional<std::uint32_t> shut;  ///< SHUT's code.
    std::vector<std::uint32_t> pings;
    std::vector<std::uint32_t> pongs;
    std::optional<Hello> source_hello;
    std::optional<Hello> destination_hello;
    std::vector<VerifyEntry> source_counts;
    std::vector<VerifyEntry> destination_counts;
};

struct InspectionState {
    Inspection& result;
    Conversation& conversation;
    RecordVisitor& visitor;
};

/// One file of a known kind. What makes no sense becomes a finding, and ends the reading of it.
void inspect_main_channel(const RecordedFile& file, InspectionState& state);
void inspect_channel(const RecordedFile& file, InspectionState& state);
void inspect_return_path(const RecordedFile& file, InspectionState& state);
void inspect_control(const RecordedFile& file, InspectionState& state);

/// After all files: devices by themselves, and the two ends against each other. Without the main
/// channel the recording is taken to be a part: what is missing may be elsewhere.
void judge_devices(Inspection& result, const Conversation& conversation);
void judge_conversation(Inspection& result, const Conversation& conversation);

/// A finding for `error` at `offset`, and for the bytes behind it that stay unread.
void add_unreadable(Inspection& result, const RecordedFile& file, std::uint64_t offset,
                    const ErrorCode& error);

}  // namespace multifd
