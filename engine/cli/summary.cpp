#include "engine/cli/summary.hpp"

#include <algorithm>

#include "channels/wire/ids.hpp"
#include "engine/cli/printable_text.hpp"
#include "engine/cli/readable.hpp"
#include "engine/cli/text_table.hpp"
#include "engine/paths/network_paths.hpp"

namespace multifd {
namespace {

/// More rows than this are for the JSON report.
constexpr std::size_t kRowsMax = 64;

std::string command_of(const RunOutcome& outcome) {
    if (!outcome.role) return "multifd";
    return *outcome.role == Role::source ? "multifd send" : "multifd receive";
}

std::string outcome_line(const RunOutcome& outcome) {
    const Report& report = outcome.report;
    std::string line = command_of(outcome) + ": " + std::string(to_string(report.status));
    if (!outcome.began) return line + " before it began";
    line += " after " + readable_ms(report.total_time_ms);
    if (!report.session.empty()) line += ", session " + report.session;
    if (!report.peer.empty()) line += ", peer " + report.peer;
    return line;
}

std::string error_line(const ErrorReport& error) {
    std::string line = "  error " + error.code;
    if (!error.phase.empty()) line += " in phase " + error.phase;
    // Device, idx and channel stand in the message.
    if (error.peer) line += ", peer " + *error.peer;
    return line + ": " + error.message;
}

std::string numbers_line(const Report& report) {
    std::string line = "  transferred " + readable_bytes(report.transferred) + " at " +
                       readable_rate(report.mbps) + "; setup " + readable_ms(report.setup_time_ms);
    if (report.downtime_ms) line += "; downtime " + readable_ms(*report.downtime_ms);
    if (report.predicted_downtime) {
        line += report.downtime_ms ? " (predicted " : "; predicted downtime (";
        if (!report.predicted_downtime->complete) {
            line += "at least ";
        } else if (report.predicted_downtime->rate_held) {
            line += "at most ";
        }
        line += readable_us(report.predicted_downtime->total_us) + ")";
    }
    if (report.switchover_span_ms) {
        line += "; switchover span " + readable_ms(*report.switchover_span_ms);
    }
    return line + "; at most " + readable_bytes(report.peak_queued_bytes) + " queued";
}

/// Where the downtime went, the largest part first. Parts of parallel work may overlap.
std::string downtime_line(const Report& report) {
    std::vector<DowntimePart> parts = report.downtime_parts;
    std::ranges::stable_sort(parts, std::ranges::greater{}, &DowntimePart::us);
    std::string line;
    for (const DowntimePart& part : parts) {
        if (part.us == 0) continue;
        line += (line.empty() ? "  downtime went to: " : ", ") + std::string(part.name) + " " +
                readable_us(part.us);
    }
    return line;
}

std::string device_table(const std::vector<DeviceReport>& devices) {
    TextTable table({"<device", "<path", "packets", "state", "pre-copy", "<digest", "<now"});
    for (const DeviceReport& device : devices) {
        if (&device - devices.data() == static_cast<std::ptrdiff_t>(kRowsMax)) break;
        table.add({to_string(DeviceIdentity{device.idstr, device.instance_id}),
                   device.multifd ? "channels" : "main", std::to_string(device.packets),
                   readable_bytes(device.bytes), readable_bytes(device.pre_copy_bytes),
                   device.transfer_digest.empty() ? "-" : device.transfer_digest,
                   device.final_state.empty() ? "-" : device.final_state});
    }
    return table.empty() ? "" : table.text();
}

std::string channel_table(const std::vector<ChannelReport>& channels) {
    TextTable table({"channel", "packets", "bytes", "<path"});
    for (const ChannelReport& channel : channels) {
        if (&channel - channels.data() == static_cast<std::ptrdiff_t>(kRowsMax)) break;
        table.add({std::to_string(channel.id), std::to_string(channel.packets),
                   readable_bytes(channel.bytes), channel.path.empty() ? "-" : channel.path});
    }
    return table.empty() ? "" : table.text();
}

std::string share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? "-" : std::to_string(100 * part / whole) + "%";
}

std::string tcp_table(const std::vector<ChannelReport>& channels) {
    TextTable table({"channel", "<from", "<to", "<control", "rtt", "again", "window", "rate",
                     "busy", "peer full", "buffer full", "<cpus"});
    for (const ChannelReport& channel : channels) {
        if (&channel - channels.data() == static_cast<std::ptrdiff_t>(kRowsMax)) break;
        if (!channel.tcp) continue;
        const TcpReport& tcp = *channel.tcp;
        table.add({std::to_string(channel.id), tcp.local_address, tcp.remote_address,
                   tcp.congestion_control, readable_us(tcp.rtt_us), std::to_string(tcp.retransmits),
                   readable_bytes(tcp.congestion_window * tcp.segment_bytes),
                   readable_rate(static_cast<double>(tcp.delivery_rate) * 8 / 1e6),
                   readable_us(tcp.busy_us), share(tcp.receiver_limited_us, tcp.busy_us),
                   share(tcp.send_buffer_limited_us, tcp.busy_us),
                   channel.cpus.empty() ? "-" : channel.cpus});
    }
    return table.empty() ? "" : table.text();
}

std::string rest_line(std::size_t count, std::string_view what) {
    if (count <= kRowsMax) return "";
    return "  and " + std::to_string(count - kRowsMax) + " more " + std::string(what) +
           ", see --json\n";
}

/// "all running", or "1 running, 2 stop".
std::string states_of(const std::vector<DeviceReport>& devices) {
    std::vector<std::pair<std::string, std::size_t>> counts;
    for (const DeviceReport& device : devices) {
        if (device.final_state.empty()) continue;
        const auto found = std::ranges::find(counts, device.final_state,
                                             &std::pair<std::string, std::size_t>::first);
        if (found == counts.end()) {
            counts.emplace_back(device.final_state, 1);
        } else {
            ++found->second;
        }
    }
    if (counts.empty()) return "";
    if (counts.size() == 1) {
        return (devices.size() == 1 ? "" : "all ") + counts.front().first;
    }
    std::string text;
    for (const auto& [state, count] : counts) {
        text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + state;
    }
    return text;
}

std::string line_of(std::string text) {
    return printable(text) + "\n";
}

}  // namespace

std::string ownership_line(const RunOutcome& outcome) {
    const Report& report = outcome.report;
    std::string line = "owner: " + std::string(to_string(report.owner));
    const std::string states = states_of(report.devices);
    if (!states.empty()) line += "; devices here: " + states;
    if (report.status != Status::completed) {
        line += report.retry_safe ? "; a retry is safe" : "; a retry is NOT safe";
    }
    if (!report.next_step.empty()) line += "; next: " + report.next_step;
    return line;
}

std::string summary(const RunOutcome& outcome, bool detailed) {
    const Report& report = outcome.report;
    std::string text = line_of(outcome_line(outcome));
    if (report.error) text += line_of(error_line(*report.error));
    if (outcome.began) {
        text += line_of(numbers_line(report));
        const std::string downtime = downtime_line(report);
        if (!downtime.empty()) text += line_of(downtime);
        text += device_table(report.devices) + rest_line(report.devices.size(), "devices");
        text += channel_table(report.channels) + rest_line(report.channels.size(), "channels");
        if (detailed) text += tcp_table(report.channels);
        for (const SlowPathReport& slow : report.slow_paths) {
            text += line_of("  " + describe(slow));
        }
    }
    return text + line_of(ownership_line(outcome));
}

}  // namespace multifd
