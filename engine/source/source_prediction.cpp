// The source before the switchover: what it will cost, and whether that is allowed.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "engine/source/source_session.hpp"
#include "engine/text/quantity.hpp"

namespace multifd {
namespace {

using std::chrono::microseconds;

// Less than this says more about caches and buffers than about a rate.
constexpr std::uint64_t kMeasurableBytes = 256 * limits::kKiB;

// Held back for less than this part of its time, a rate is off by no more than that.
constexpr int kHeldPart = 20;

constexpr std::string_view kFromPreCopy = "pre-copy";

/// As the kernel knows it; 0 on a UNIX socket.
microseconds round_trip_of(const Connection& connection) {
    tcp_info info{};
    socklen_t size = sizeof(info);
    if (::getsockopt(connection.fd(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return {};
    return microseconds(info.tcpi_rtt);
}

std::string time_text(std::uint64_t us) {
    if (us < 10'000) return std::to_string(us) + " us";
    return std::to_string((us + 999) / 1000) + " ms";
}

std::uint64_t count_of(microseconds time) {
    return static_cast<std::uint64_t>(time.count());
}

/// What kind of bound the total is, to be said before it.
std::string bound_text(const PredictedDowntime& predicted) {
    if (!predicted.complete) return "at least ";
    return predicted.rate_held ? "at most " : "";
}

std::string text_of(const PredictedDowntime& predicted) {
    std::string text = bound_text(predicted) + time_text(predicted.total_us) + " for " +
                       format_whole_mib(predicted.bytes);
    if (predicted.bytes_per_second != 0) {
        text += " at " + format_whole_mib(predicted.bytes_per_second) + "/s (" +
                std::string(predicted.rate_from) + ")";
    }
    for (const auto& part : predicted.parts) {
        if (part.us != 0) text += ", " + std::string(part.name) + " " + time_text(part.us);
    }
    return text;
}

}  // namespace

/// What the link is expected to give, for the convergence as for the prediction.
double SourceSession::link_rate(double measured) const {
    const auto available = settings_.avail_switchover_bandwidth;
    return available != 0 ? static_cast<double>(available) : measured;
}

/// The same for the switchover.
double SourceSession::switchover_rate(double measured) const {
    const double rate = link_rate(measured);
    const auto cap = static_cast<double>(settings_.max_switchover_bandwidth);
    return cap > 0 ? std::min(rate, cap) : rate;
}

std::string_view SourceSession::rate_origin(double link) const {
    if (link <= 0) return "none";
    const auto cap = static_cast<double>(settings_.max_switchover_bandwidth);
    if (cap > 0 && link >= cap) return "max-switchover-bandwidth";
    return settings_.avail_switchover_bandwidth != 0 ? "avail-switchover-bandwidth" : kFromPreCopy;
}

// What pre-copy got through then says only what --max-bandwidth allowed.
bool SourceSession::held_by_rate_limit() const {
    return pre_copy_pacer_.waited() > (Clock::now() - pre_copy_began_ - pre_copy_idle_) / kHeldPart;
}

// From what the switchover was decided on. A device whose data took the channels has the rate at
// which its other end wrote it, one of the main channel the rate of all.
SwitchoverOutlook SourceSession::switchover_outlook() const {
    SwitchoverOutlook outlook;
    const bool measured = sent_bytes() >= kMeasurableBytes;
    const bool given = settings_.avail_switchover_bandwidth != 0;
    outlook.link_bytes_per_second = measured || given ? outlook_.bytes_per_second : 0;
    // The cap holds, whatever the link could do.
    if (!measured && !given) {
        outlook.link_bytes_per_second = static_cast<double>(settings_.max_switchover_bandwidth);
    }
    outlook.link_held =
        rate_origin(outlook.link_bytes_per_second) == kFromPreCopy && held_by_rate_limit();
    outlook.sent_bytes = outlook_.sent_bytes;
    outlook.sent_bytes_per_second = outlook_.sent_bytes_per_second;
    outlook.host_bytes = outlook_.left_bytes - std::min(outlook_.left_bytes, outlook_.sent_bytes);
    for (const auto& slot : devices_) {
        DeviceOutlook device{.left_bytes = slot->expected_bytes, .multifd = slot->multifd};
        if (slot->pre_copy_bytes.value() >= std::min(kMeasurableBytes, device.left_bytes)) {
            device.bytes_per_second = measured ? outlook_.bytes_per_second : 0;
        }
        const auto share =
            std::ranges::find(outlook_.devices, slot->id.value, &PreCopyShare::device);
        if (share != outlook_.devices.end()) {
            device.sent_bytes = share->sent_bytes;
            device.bytes_per_second = share->bytes_per_second;
        }
        outlook.host_bytes -= std::min(outlook.host_bytes, device.left_bytes);
        outlook.devices.push_back(device);
    }
    outlook.round_trip = round_trip_of(main_);
    outlook.record = std::chrono::duration_cast<microseconds>(record_time_);
    return outlook;
}

bool SourceSession::predict_downtime() {
    const auto outlook = switchover_outlook();
    const auto prediction = predict(outlook);
    auto& predicted = predicted_.emplace();
    predicted.total_us = count_of(prediction.total);
    predicted.parts = {{"link", count_of(prediction.link)},
                       {"device", count_of(prediction.device)},
                       {"main-channel", count_of(prediction.main_channel)},
                       {"round-trips", count_of(prediction.round_trips)},
                       {"records", count_of(prediction.records)}};
    predicted.bytes = prediction.bytes;
    predicted.bytes_per_second = static_cast<std::uint64_t>(outlook.link_bytes_per_second);
    predicted.complete = prediction.complete;
    predicted.rate_held = prediction.link_held;
    predicted.rate_from = rate_origin(outlook.link_bytes_per_second);
    const auto text = text_of(predicted);
    if (settings_.strict_downtime && prediction.total > settings_.downtime_limit) {
        return refuse_downtime(predicted, text);
    }
    log(LogLevel::info, "switching over; predicted downtime: " + text);
    if (settings_.strict_downtime && !predicted.complete) {
        log(LogLevel::warning,
            "not every rate could be measured, so --strict-downtime only knows a lower bound");
    }
    return !failed();
}

bool SourceSession::refuse_downtime(const PredictedDowntime& predicted, const std::string& text) {
    const auto largest =
        std::ranges::max_element(predicted.parts, std::ranges::less{}, &DowntimePart::us);
    const std::string_view part = largest->name;
    const char* advice =
        predicted.rate_held ? "--max-bandwidth held that rate: say with "
                              "--avail-switchover-bandwidth what the link gives, or give a larger "
                              "limit"
        : part == "link"    ? "give it a faster link, fewer devices at once, or a larger limit"
        : part == "device"
            ? "the slowest device is slower than the link: quieten it, or give a larger limit"
        : part == "main-channel"
            ? "let these devices use the channels (multifd=on), or give a larger limit"
            : "distance and disks alone are over it: give a larger limit";
    fail({.code = Errc::downtime_unreachable,
          .detail = "the predicted downtime is over --downtime-limit " +
                    format_time(settings_.downtime_limit) + ": " + text + "; " + advice});
    return false;
}

void SourceSession::compare_downtime(microseconds downtime) const {
    if (!predicted_) return;
    log(LogLevel::info, "downtime " + time_text(count_of(downtime)) + ", predicted " +
                            bound_text(*predicted_) + time_text(predicted_->total_us));
}

}  // namespace multifd
