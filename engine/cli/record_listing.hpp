// What `multifd status` prints of the ownership records of a folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ownership/session_record.hpp"

namespace multifd {

/// What is on record of one session; at least one end is there.
struct RecordedSession {
    std::string session;
    std::optional<SessionRecord> source;
    std::optional<SessionRecord> destination;
    Owner owner = Owner::unknown;
    std::string explanation;  ///< One or two lines: who owns the devices, and what to do.
};

struct RecordListing {
    std::string folder;
    std::vector<RecordedSession> sessions;
    std::vector<RecordFolder::Damaged> damaged;
};

/// The sessions of `records` whose name begins with `prefix`; damaged files are listed when theirs
/// does.
RecordListing list_sessions(const std::string& folder, const RecordFolder& records,
                            std::string_view prefix);

std::string listing_text(const RecordListing& listing);
/// One document with schema "multifd-status/1", ended by a newline.
std::string listing_json(const RecordListing& listing);

}  // namespace multifd
