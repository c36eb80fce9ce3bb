#include "engine/cli/record_listing.hpp"

#include <nlohmann/json.hpp>

#include "engine/cli/printable_text.hpp"
#include "engine/ownership/ownership.hpp"

namespace multifd {
namespace {

using Json = nlohmann::ordered_json;

void complete(RecordedSession& session) {
    const auto decision = [](const std::optional<SessionRecord>& record) {
        return record ? std::optional(record->decision) : std::nullopt;
    };
    session.owner = recorded_owner(decision(session.source), decision(session.destination));
    if (session.source && session.destination) {
        session.explanation = explain_owner(*session.source, *session.destination);
    } else {
        session.explanation =
            explain_owner(session.source ? *session.source : *session.destination);
    }
}

/// Lines of their own, each shown with its indentation and without control bytes.
std::string indented(std::string_view text) {
    std::string lines;
    while (!text.empty()) {
        const auto end = text.find('\n');
        lines += "  " + printable(text.substr(0, end)) + "\n";
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return lines;
}

std::string record_line(const SessionRecord& record) {
    std::string line = std::string(to_string(record.role)) + ": " +
                       std::string(to_string(record.decision)) + " at " + record.time +
                       ", process " + std::to_string(record.pid);
    if (!record.peer.empty()) line += ", peer " + record.peer;
    return line + ", " + std::to_string(record.devices.size()) +
           (record.devices.size() == 1 ? " device" : " devices");
}

Json record_json(const std::optional<SessionRecord>& record) {
    if (!record) return nullptr;
    Json devices = Json::array();
    for (const DeviceIdentity& device : record->devices) {
        devices.push_back(Json{{"idstr", device.idstr}, {"instance-id", device.instance_id}});
    }
    return Json{{"decision", to_string(record->decision)},
                {"time", record->time},
                {"pid", record->pid},
                {"peer", record->peer.empty() ? Json(nullptr) : Json(record->peer)},
                {"devices", std::move(devices)}};
}

}  // namespace

RecordListing list_sessions(const std::string& folder, const RecordFolder& records,
                            std::string_view prefix) {
    RecordListing listing{folder, {}, {}};
    for (const SessionRecord& record : records.records) {
        if (!record.session.starts_with(prefix)) continue;
        auto& sessions = listing.sessions;
        if (sessions.empty() || sessions.back().session != record.session) {
            sessions.push_back({record.session, {}, {}, Owner::unknown, {}});
        }
        RecordedSession& session = sessions.back();
        (record.role == Role::source ? session.source : session.destination) = record;
    }
    for (RecordedSession& session : listing.sessions) complete(session);
    for (const RecordFolder::Damaged& damaged : records.damaged) {
        if (damaged.file.starts_with(prefix)) listing.damaged.push_back(damaged);
    }
    return listing;
}

std::string listing_text(const RecordListing& listing) {
    std::string text;
    for (const RecordedSession& session : listing.sessions) {
        text += "session " + printable(session.session) + ": owner " +
                std::string(to_string(session.owner)) + "\n";
        if (session.source) text += indented(record_line(*session.source));
        if (session.destination) text += indented(record_line(*session.destination));
        text += indented(session.explanation);
    }
    for (const RecordFolder::Damaged& damaged : listing.damaged) {
        text += "damaged " + printable(damaged.file) + ": " + printable(damaged.problem) + "\n";
    }
    if (text.empty()) text = "no sessions on record in " + printable(listing.folder) + "\n";
    return text;
}

std::string listing_json(const RecordListing& listing) {
    Json sessions = Json::array();
    for (const RecordedSession& session : listing.sessions) {
        sessions.push_back(Json{{"session", session.session},
                                {"owner", to_string(session.owner)},
                                {"explanation", session.explanation},
                                {"source", record_json(session.source)},
                                {"destination", record_json(session.destination)}});
    }
    Json damaged = Json::array();
    for (const RecordFolder::Damaged& file : listing.damaged) {
        damaged.push_back(Json{{"file", file.file}, {"problem", file.problem}});
    }
    const Json json{{"schema", "multifd-status/1"},
                    {"version", MULTIFD_VERSION},
                    {"folder", listing.folder},
                    {"sessions", std::move(sessions)},
                    {"damaged", std::move(damaged)}};
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace multifd
