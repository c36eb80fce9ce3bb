#include "engine/cli/report_json.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

namespace multifd {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kIndent = 2;
constexpr int kNoIndent = -1;  ///< Everything on one line.

template <class T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

Json text_or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

Json known(bool is_known, std::uint64_t value) {
    return is_known ? Json(value) : Json(nullptr);
}

/// Three decimals are more than the clock is worth; infinities are no JSON.
Json rate(double mbps) {
    return std::isfinite(mbps) ? Json(std::round(mbps * 1000.0) / 1000.0) : Json(nullptr);
}

Json settings_json(const std::vector<EffectiveSetting>& settings) {
    Json json = Json::object();
    for (const EffectiveSetting& setting : settings) {
        Json value = std::visit([](const auto& held) { return Json(held); }, setting.value);
        json[setting.name] = Json{{"value", std::move(value)}, {"from", to_string(setting.origin)}};
    }
    return json;
}

Json tcp_json(const std::optional<TcpReport>& tcp) {
    if (!tcp) return nullptr;
    return Json{{"local-address", tcp->local_address},
                {"remote-address", tcp->remote_address},
                {"congestion-control", text_or_null(tcp->congestion_control)},
                {"rtt-us", tcp->rtt_us},
                {"rtt-variation-us", tcp->rtt_variation_us},
                {"retransmits", tcp->retransmits},
                {"congestion-window", tcp->congestion_window},
                {"segment-bytes", tcp->segment_bytes},
                {"delivery-rate", tcp->delivery_rate},
                {"busy-us", tcp->busy_us},
                {"receiver-limited-us", tcp->receiver_limited_us},
                {"send-buffer-limited-us", tcp->send_buffer_limited_us},
                {"unanswered", tcp->unanswered}};
}

Json slow_paths_json(const std::vector<SlowPathReport>& paths) {
    Json json = Json::array();
    for (const SlowPathReport& slow : paths) {
        json.push_back(Json{{"path", slow.path},
                            {"fastest", slow.fastest},
                            {"mbps", rate(slow.mbps)},
                            {"fastest-mbps", rate(slow.fastest_mbps)},
                            {"advice", slow.advice}});
    }
    return json;
}

Json channels_json(const std::vector<ChannelReport>& channels) {
    Json json = Json::array();
    for (const ChannelReport& channel : channels) {
        json.push_back(Json{{"id", channel.id},
                            {"packets", channel.packets},
                            {"bytes", channel.bytes},
                            {"cpu-us", channel.cpu_us},
                            {"raw-bytes", channel.raw_bytes},
                            {"compression-time-us", channel.compression_time_us},
                            {"path", text_or_null(channel.path)},
                            {"cpus", text_or_null(channel.cpus)},
                            {"tcp", tcp_json(channel.tcp)}});
    }
    return json;
}

Json devices_json(const std::vector<DeviceReport>& devices) {
    Json json = Json::array();
    for (const DeviceReport& device : devices) {
        json.push_back(Json{{"idstr", device.idstr},
                            {"instance-id", device.instance_id},
                            {"multifd", device.multifd},
                            {"packets", device.packets},
                            {"bytes", device.bytes},
                            {"pre-copy-bytes", device.pre_copy_bytes},
                            {"wire-bytes", device.wire_bytes},
                            {"encoded-packets", device.encoded_packets},
                            {"transfer-digest", text_or_null(device.transfer_digest)},
                            {"final-state", text_or_null(device.final_state)}});
    }
    return json;
}

Json parts_json(const std::vector<DowntimePart>& parts) {
    Json json = Json::object();
    for (const DowntimePart& part : parts) json[std::string(part.name)] = part.us;
    return json;
}

Json downtime_parts_json(const RunOutcome& outcome) {
    return outcome.began ? parts_json(outcome.report.downtime_parts) : Json(nullptr);
}

Json transfer_json(const std::optional<TransferCost>& transfer) {
    if (!transfer) return nullptr;
    return Json{
        {"us", transfer->us}, {"user-us", transfer->user_us}, {"system-us", transfer->system_us}};
}

Json destination_json(const std::optional<DestinationTransfer>& destination) {
    if (!destination) return nullptr;
    const bool limit_known = destination->queued_bytes_max != 0;
    return Json{{"transfer", transfer_json(destination->transfer)},
                {"processors", destination->processors},
                {"queued-bytes-max", known(limit_known, destination->queued_bytes_max)},
                {"peak-queued-bytes", destination->peak_queued_bytes},
                {"channel-cpu-us", destination->channel_cpu_us},
                {"downtime-parts", parts_json(destination->downtime_parts)}};
}

Json predicted_downtime_json(const std::optional<PredictedDowntime>& predicted) {
    if (!predicted) return nullptr;
    const bool rate_known = predicted->bytes_per_second != 0;
    return Json{{"total", predicted->total_us},
                {"parts", parts_json(predicted->parts)},
                {"bytes", predicted->bytes},
                {"rate", known(rate_known, predicted->bytes_per_second)},
                {"rate-from", predicted->rate_from},
                {"complete", predicted->complete},
                {"rate-held", predicted->rate_held}};
}

Json error_json(const std::optional<ErrorReport>& error) {
    if (!error) return nullptr;
    return Json{{"code", error->code},
                {"phase", text_or_null(error->phase)},
                {"device", or_null(error->device)},
                {"idx", or_null(error->idx)},
                {"channel", or_null(error->channel)},
                {"peer", or_null(error->peer)},
                {"message", error->message}};
}

}  // namespace

RunOutcome ended_early(std::optional<Role> role, Status status, ErrorReport error) {
    RunOutcome outcome;
    outcome.role = role;
    outcome.report.role = role.value_or(Role::source);
    outcome.report.status = status;
    outcome.report.owner = Owner::source;
    outcome.report.retry_safe = true;
    outcome.exit_code = error.exit_code;
    outcome.report.error = std::move(error);
    return outcome;
}

std::string report_json(const RunOutcome& outcome, ReportForm form) {
    const Report& report = outcome.report;
    const bool began = outcome.began;
    const Json json{
        {"schema", "multifd-report/1"},
        {"version", MULTIFD_VERSION},
        {"session", text_or_null(report.session)},
        {"role", outcome.role ? Json(to_string(*outcome.role)) : Json(nullptr)},
        {"status", to_string(report.status)},
        {"owner", outcome.role ? Json(to_string(report.owner)) : Json(nullptr)},
        {"retry-safe", report.retry_safe},
        {"next-step", text_or_null(report.next_step)},
        {"exit-code", outcome.exit_code},
        {"total-time", known(began, report.total_time_ms)},
        {"setup-time", known(began, report.setup_time_ms)},
        {"downtime", or_null(report.downtime_ms)},
        {"switchover-span", or_null(report.switchover_span_ms)},
        {"downtime-parts", downtime_parts_json(outcome)},
        {"predicted-downtime", predicted_downtime_json(report.predicted_downtime)},
        {"transferred", known(began, report.transferred)},
        {"mbps", began ? rate(report.mbps) : Json(nullptr)},
        {"congestion-control", text_or_null(report.congestion_control)},
        {"peak-queued-bytes", known(began, report.peak_queued_bytes)},
        {"cpu-us", or_null(outcome.cpu_us)},
        {"transfer", transfer_json(report.transfer)},
        {"destination", destination_json(report.destination)},
        {"settings", settings_json(outcome.settings)},
        {"slow-paths", slow_paths_json(report.slow_paths)},
        {"numa-node", or_null(report.numa_node)},
        {"placement-note", text_or_null(report.placement_note)},
        {"channels", channels_json(report.channels)},
        {"devices", devices_json(report.devices)},
        {"error", error_json(report.error)},
    };
    const int indent = form == ReportForm::line ? kNoIndent : kIndent;
    return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace multifd
