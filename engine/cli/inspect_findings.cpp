// What an inspection finds wrong once all files have been read.
#include "engine/cli/inspection_reader.hpp"

#include <algorithm>
#include <set>

#include "channels/wire/device_state_packet.hpp"
#include "channels/wire/hello_agreement.hpp"
#include "engine/cli/state_unpacker.hpp"

namespace multifd {
namespace {

/// So many of one kind for one device are named; the rest is counted.
constexpr std::size_t kNamedMax = 8;

/// The findings about one device's packets.
class DeviceJudge {
  public:
    DeviceJudge(Inspection& result, const DeviceIdentity& identity, const InspectedDevice& device,
                bool whole)
        : result_(result), identity_(identity), device_(device), whole_(whole) {}

    void judge() {
        if (!device_.packets.empty()) judge_packets();
        const bool config_twice = device_.main_config && has_config_packet();
        if (config_twice) {
            add(Severity::error, "config_duplicate",
                "the config state came over the channels and down the main channel");
        }
        if (!device_.packets.empty() && !device_.main_state.empty()) {
            add(Severity::error, "state_on_both_paths",
                "state came over the channels and down the main channel");
        }
    }

  private:
    void judge_packets() {
        std::vector<const StatePacket*> sorted;
        sorted.reserve(device_.packets.size());
        for (const StatePacket& packet : device_.packets) sorted.push_back(&packet);
        std::ranges::stable_sort(sorted, {}, [](const StatePacket* packet) { return packet->idx; });
        find_gaps(sorted);
        find_repeats(sorted);
        judge_pre_copy(sorted);
        judge_config(*sorted.back());
    }

    void find_gaps(const std::vector<const StatePacket*>& sorted) {
        std::uint64_t expected = 0;
        std::uint64_t missing = 0;
        std::string ranges;
        std::size_t named = 0;
        for (const StatePacket* packet : sorted) {
            if (packet->idx > expected) {
                missing += packet->idx - expected;
                if (named++ < kNamedMax) {
                    ranges += (ranges.empty() ? "" : ", ") + range(expected, packet->idx - 1);
                }
            }
            expected = std::uint64_t{packet->idx} + 1;
        }
        if (missing == 0) return;
        if (named > kNamedMax) ranges += ", ...";
        add_missing("idx_gap", std::to_string(missing) + " idx missing: " + ranges);
    }

    static std::string range(std::uint64_t first, std::uint64_t last) {
        if (first == last) return std::to_string(first);
        return std::to_string(first) + " to " + std::to_string(last);
    }

    void find_repeats(const std::vector<const StatePacket*>& sorted) {
        std::size_t found = 0;
        for (std::size_t at = 1; at < sorted.size(); ++at) {
            if (sorted[at]->idx != sorted[at - 1]->idx) continue;
            if (++found > kNamedMax) continue;
            const bool same = same_state(*sorted[at], *sorted[at - 1]);
            add(Severity::error, "idx_duplicate",
                "idx " + std::to_string(sorted[at]->idx) + " came twice, with " +
                    (same ? "the same" : "different") + " data");
        }
        if (found > kNamedMax) {
            add(Severity::error, "idx_duplicate",
                "and " + std::to_string(found - kNamedMax) + " more idx came twice");
        }
    }

    static bool same_state(const StatePacket& one, const StatePacket& other) {
        StateUnpacker unpacker, other_unpacker;
        const auto state = unpacker.unpack(one);
        const auto other_state = other_unpacker.unpack(other);
        return state && other_state && std::ranges::equal(*state, *other_state);
    }

    void judge_pre_copy(const std::vector<const StatePacket*>& sorted) {
        const auto stopped = std::ranges::find(sorted, false, &StatePacket::pre_copy);
        const auto late = std::find_if(stopped, sorted.end(),
                                       [](const StatePacket* packet) { return packet->pre_copy; });
        if (late == sorted.end()) return;
        add(Severity::error, "pre_copy_misplaced",
            "idx " + std::to_string((*late)->idx) + " is pre-copy data, above idx " +
                std::to_string((*stopped)->idx) + ", which is not");
    }

    bool has_config_packet() const {
        return std::ranges::find(device_.packets, true, &StatePacket::config) !=
               device_.packets.end();
    }

    void judge_config(const StatePacket& highest) {
        std::set<std::uint32_t> configs;
        for (const StatePacket& packet : device_.packets) {
            if (!packet.config) continue;
            configs.insert(packet.idx);
            if (!unwrap_config(packet.data)) {
                add(Severity::error, "config_malformed",
                    "the config state at idx " + std::to_string(packet.idx) + " lacks its tokens");
            }
        }
        if (configs.empty()) {
            add_missing("config_missing",
                        "no config state came, which is every device's last packet");
        } else if (configs.size() > 1) {
            add(Severity::error, "config_duplicate",
                std::to_string(configs.size()) + " config states came, the first at idx " +
                    std::to_string(*configs.begin()));
        } else if (*configs.begin() < highest.idx) {
            add(Severity::error, "config_below_received",
                "the config state is idx " + std::to_string(*configs.begin()) + ", below idx " +
                    std::to_string(highest.idx));
        }
    }

    void add_missing(std::string_view code, const std::string& message) {
        if (whole_) return add(Severity::error, code, message);
        add(Severity::warning, code, message + "; perhaps on a channel that is not here");
    }

    void add(Severity severity, std::string_view code, std::string message) {
        Finding finding;
        finding.severity = severity;
        finding.code = code;
        finding.device = identity_;
        finding.message = std::move(message);
        result_.findings.push_back(std::move(finding));
    }

    Inspection& result_;
    const DeviceIdentity& identity_;
    const InspectedDevice& device_;
    const bool whole_;  ///< The recording has its main channel, hence, one hopes, all channels.
};

/// The findings about the channels as a set, and about what the ends said.
class ConversationJudge {
  public:
    ConversationJudge(Inspection& result, const Conversation& conversation)
        : result_(result), said_(conversation) {}

    void judge() {
        judge_channels();
        if (said_.main_channel_seen) judge_source();
        if (said_.return_path_seen) judge_answers();
        judge_hellos();
        judge_counts();
    }

  private:
    void judge_channels() {
        std::set<std::uint32_t> ids;
        std::set<SessionId> sessions;
        for (const InspectedChannel& channel : result_.channels) {
            sessions.insert(channel.session);
            if (!ids.insert(channel.id).second) {
                add(Severity::error, "channel_duplicate",
                    "channel " + std::to_string(channel.id) + " is there twice");
            }
        }
        if (sessions.size() > 1) {
            add(Severity::error, "session_unknown",
                "the channels carry " + std::to_string(sessions.size()) + " different sessions");
        }
        // Single files may well be looked at without the others.
        if (!said_.main_channel_seen || ids.empty() || *ids.rbegin() + 1 == ids.size()) return;
        add(Severity::warning, "channel_missing",
            "the highest channel is " + std::to_string(*ids.rbegin()) + ", but there are " +
                std::to_string(ids.size()));
    }

    void judge_source() {
        if (said_.abort_seen) {
            add(Severity::warning, "cancelled", "the source ended the migration with ABORT");
        } else if (!said_.eof_seen) {
            add(Severity::warning, "eof_missing", "the main channel has no EOF: it was left early");
        }
        if (said_.eof_seen && !said_.switchover_seen && !result_.channels.empty() &&
            has_device_packets()) {
            add(Severity::information, "switchover_missing",
                "the main channel has no SWITCHOVER_START");
        }
    }

    bool has_device_packets() const {
        return std::ranges::any_of(result_.devices,
                                   [](const auto& entry) { return !entry.second.packets.empty(); });
    }

    void judge_answers() {
        for (const std::uint32_t ping : said_.pings) {
            if (std::ranges::find(said_.pongs, ping) != said_.pongs.end()) continue;
            add(Severity::warning, "ping_unanswered",
                "PING " + std::to_string(ping) + " has no PONG");
        }
        if (said_.shut && *said_.shut != 0) {
            add(Severity::warning, "peer_failed", "the destination reported a failure");
        }
        const bool verdict = said_.shut || said_.running_seen;
        if (said_.eof_seen && !verdict) {
            add(Severity::warning, "verdict_missing",
                "the source sent everything and the destination never said that it is done: the "
                "ends may disagree, on a device's multifd property perhaps");
        }
    }

    void judge_hellos() {
        if (!said_.source_hello || !said_.destination_hello) return;
        const auto agreed = agree(*said_.source_hello, *said_.destination_hello);
        if (const auto* not_agreed = std::get_if<Disagreement>(&agreed)) {
            Finding finding;
            finding.code = error_name(not_agreed->code);
            finding.device = not_agreed->device;
            finding.message = "the hellos disagree: " + not_agreed->message;
            result_.findings.push_back(std::move(finding));
            return;
        }
        const auto channels = std::get<Agreement>(agreed).channels;
        const std::size_t recorded = result_.channels.size();
        if (said_.main_channel_seen && recorded != 0 && recorded != channels) {
            add(Severity::warning, "channel_missing",
                std::to_string(channels) + " channels were agreed and " + std::to_string(recorded) +
                    " are recorded");
        }
    }

    void judge_counts() {
        if (said_.source_counts.empty() || said_.destination_counts.empty()) return;
        for (const VerifyEntry& sent : said_.source_counts) {
            const auto loaded =
                std::ranges::find(said_.destination_counts, sent.device, &VerifyEntry::device);
            if (loaded != said_.destination_counts.end() && *loaded == sent) continue;
            const bool counted = loaded != said_.destination_counts.end() &&
                                 loaded->packets == sent.packets && loaded->bytes == sent.bytes &&
                                 loaded->pre_copy_bytes == sent.pre_copy_bytes;
            Finding finding;
            finding.code = counted ? "digest_mismatch" : "count_mismatch";
            finding.device = name_of(sent.device);
            finding.message = counted ? "the two ends report different digests"
                                      : "the two ends counted different packets or bytes";
            result_.findings.push_back(std::move(finding));
        }
    }

    std::optional<DeviceIdentity> name_of(std::uint32_t index) const {
        if (!said_.source_hello || index >= said_.source_hello->devices.size()) return std::nullopt;
        return said_.source_hello->devices[index].identity;
    }

    void add(Severity severity, std::string_view code, std::string message) {
        Finding finding;
        finding.severity = severity;
        finding.code = code;
        finding.message = std::move(message);
        result_.findings.push_back(std::move(finding));
    }

    Inspection& result_;
    const Conversation& said_;
};

}  // namespace

void judge_devices(Inspection& result, const Conversation& conversation) {
    for (const auto& [identity, device] : result.devices) {
        DeviceJudge(result, identity, device, conversation.main_channel_seen).judge();
    }
}

void judge_conversation(Inspection& result, const Conversation& conversation) {
    ConversationJudge(result, conversation).judge();
}

}  // namespace multifd
