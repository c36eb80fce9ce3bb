#include "engine/packets/compression_choice.hpp"

#include <algorithm>

#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

/// Half of a rate's weight lies within the last so many bytes.
constexpr double kMemoryBytes = 8 * limits::kMiB;
/// Fewer sent bytes say nothing of a channel: its socket's buffer took them.
constexpr double kLinkBytesMin = 2 * limits::kMiB;
/// Compressed packets must come to so much before they are judged.
constexpr double kJudgedBytesMin = 4 * limits::kMiB;
/// A probe's first bytes go into the socket's buffer as fast as they can, and count for nothing.
constexpr std::uint64_t kProbeSkippedBytes = 8 * limits::kMiB;
/// By what follows it is judged, unless it has lost before.
constexpr std::uint64_t kProbeJudgedBytes = 8 * limits::kMiB;
/// What must be promised before compressing begins: samples are small, and so are wrong at times.
constexpr double kGainMin = 1.1;
/// What compressing must be found to gain; else it is work for nothing.
constexpr double kKeptGainMin = 1.03;
/// A raw probe that comes this near wins: the processors are spared.
constexpr double kTie = 0.95;
/// Probes take at most about one part in so many of the time.
constexpr int kProbeShare = 20;
constexpr std::chrono::seconds kPauseMax{30};

double seconds_of(Clock::duration time) noexcept {
    return std::chrono::duration<double>(time).count();
}

}  // namespace

void RecentRate::add(std::uint64_t bytes, Clock::duration time) noexcept {
    bytes_ += static_cast<double>(bytes);
    seconds_ += seconds_of(time);
    if (bytes_ < 2 * kMemoryBytes) return;
    bytes_ /= 2;
    seconds_ /= 2;
}

double RecentRate::bytes_per_second() const noexcept {
    // A send of some bytes that took no measurable time is as fast as can be.
    constexpr double kSecondsMin = 1e-9;
    return bytes_ / std::max(seconds_, kSecondsMin);
}

PacketPlan CompressionChoice::plan(DeviceId id, Clock::time_point now) noexcept {
    Device& device = at(id);
    switch (device.mode) {
        case Mode::raw:
            if (link_.bytes() < kLinkBytesMin || now < device.next_try) return PacketPlan::raw;
            return PacketPlan::sample;
        case Mode::compress:
            if (now < device.next_try || device.outcome.bytes() < kJudgedBytesMin) {
                return PacketPlan::compress;
            }
            device.mode = Mode::probe;
            device.probe_bytes = 0;
            device.probe_time = {};
            device.probe_judged_time = {};
            return PacketPlan::raw;
        case Mode::probe:
            return PacketPlan::raw;
    }
    return PacketPlan::raw;
}

// While a packet is compressed the link still carries the one before, out of the socket's buffer:
// the slower of the two sets the pace. Whether it really does is judged afterwards.
bool CompressionChoice::promises_gain(const CompressionSample& sample) const noexcept {
    const auto plain = static_cast<double>(sample.plain_bytes);
    const double link = link_.bytes_per_second();
    const double compressed_seconds =
        std::max(seconds_of(sample.time), static_cast<double>(sample.wire_bytes) / link);
    return plain / link > kGainMin * compressed_seconds;
}

void CompressionChoice::sampled(DeviceId id, const CompressionSample& sample,
                                Clock::time_point now) noexcept {
    Device& device = at(id);
    device.next_try = now + kSampleShare * sample.time;
    if (!promises_gain(sample)) return;
    device.mode = Mode::compress;
    device.outcome.clear();
    device.next_try = now + device.probe_pause;
}

void CompressionChoice::sent(DeviceId id, const PacketCost& cost, Clock::time_point now) noexcept {
    Device& device = at(id);
    if (!cost.tried) {
        link_.add(cost.wire_bytes, cost.sending);
    } else if (cost.sending > cost.coding) {
        // The link sets the pace, and was busy while the packet was compressed. Else the socket
        // has room all the time, and does not show what the link would take.
        link_.add(cost.wire_bytes, cost.coding + cost.sending);
    }
    if (cost.tried) {
        device.outcome.add(cost.plain_bytes, cost.coding + cost.sending);
        if (device.mode == Mode::compress) judge_compression(device, now);
    } else if (device.mode == Mode::probe) {
        judge_probe(device, cost, now);
    }
}

void CompressionChoice::judge_compression(Device& device, Clock::time_point now) const noexcept {
    if (device.outcome.bytes() < kJudgedBytesMin) return;
    if (device.outcome.bytes_per_second() >= kKeptGainMin * link_.bytes_per_second()) return;
    back_to_raw(device, now);
}

void CompressionChoice::judge_probe(Device& device, const PacketCost& cost,
                                    Clock::time_point now) noexcept {
    device.probe_bytes += cost.plain_bytes;
    device.probe_time += cost.sending;
    if (device.probe_bytes > kProbeSkippedBytes) device.probe_judged_time += cost.sending;
    const double allowed_seconds =
        static_cast<double>(kProbeJudgedBytes) / device.outcome.bytes_per_second() / kTie;
    if (seconds_of(device.probe_judged_time) > allowed_seconds) {
        // Compressing is right: trials may come at once again, probes less often.
        device.mode = Mode::compress;
        device.trial_pause = kPauseMin;
        device.next_try =
            now + std::max<Clock::duration>(device.probe_pause, kProbeShare * device.probe_time);
        device.probe_pause = std::min<Clock::duration>(2 * device.probe_pause, kPauseMax);
    } else if (device.probe_bytes >= kProbeSkippedBytes + kProbeJudgedBytes) {
        back_to_raw(device, now);
    }
}

void CompressionChoice::back_to_raw(Device& device, Clock::time_point now) noexcept {
    device.mode = Mode::raw;
    device.next_try = now + device.trial_pause;
    device.trial_pause = std::min<Clock::duration>(2 * device.trial_pause, kPauseMax);
    device.probe_pause = kPauseMin;
}

bool CompressionChoice::compresses(DeviceId device) const noexcept {
    return devices_[device.value].mode != Mode::raw;
}

}  // namespace multifd
