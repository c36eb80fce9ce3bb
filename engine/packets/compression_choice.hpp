// CompressionChoice: whether compressing pays on one channel, device by device, packet by packet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "channels/transport/deadline.hpp"
#include "channels/wire/ids.hpp"

namespace multifd {

/// Bytes over time, in which what is older than a few MiB counts less and less.
class RecentRate {
  public:
    void add(std::uint64_t bytes, Clock::duration time) noexcept;
    void clear() noexcept { *this = {}; }
    [[nodiscard]] double bytes() const noexcept { return bytes_; }
    [[nodiscard]] double bytes_per_second() const noexcept;

  private:
    double bytes_ = 0;
    double seconds_ = 0;
};

/// What the channel is to do with a packet.
enum class PacketPlan {
    raw,
    sample,    ///< Compress a piece of it, tell sampled(), and ask again.
    compress,  ///< It may still leave raw when it does not shrink.
};

/// What compressing a piece of a packet came to.
struct CompressionSample {
    std::size_t plain_bytes = 0;  ///< What travels of it without compression: no zeros.
    std::size_t wire_bytes = 0;   ///< plain_bytes when it did not shrink.
    Clock::duration time{0};
};

/// What a packet has cost that left as planned.
struct PacketCost {
    std::size_t plain_bytes = 0;  ///< What travels of it without compression: no zeros.
    std::size_t wire_bytes = 0;
    bool tried = false;         ///< It was compressed, whether or not that made it smaller.
    Clock::duration coding{0};  ///< Compressing it.
    Clock::duration sending{0};
};

/// Compares what a channel gets through without compression, as measured, with what it would get
/// through with it, and then with what it does get through:
///
///     raw  -- a sample promises more -->  compress  -- it gets through less  -->  raw
///     compress  -- now and then -->  probe (raw for a while)  -- raw is not slower -->  raw
///
/// A device that compresses badly costs samples alone, at most one part in kSampleShare of the
/// time. Trials and probes that fail become rarer. No clock, no thread: times are given to it.
/// Limits:    some words for each device; nothing is allocated after construction.
/// Threads:   not thread-safe: one for each channel.
class CompressionChoice {
  public:
    static constexpr int kSampleShare = 200;

    explicit CompressionChoice(std::size_t devices) : devices_(devices) {}

    [[nodiscard]] PacketPlan plan(DeviceId device, Clock::time_point now) noexcept;
    void sampled(DeviceId device, const CompressionSample& sample, Clock::time_point now) noexcept;
    void sent(DeviceId device, const PacketCost& cost, Clock::time_point now) noexcept;

    /// Whether the device's packets are compressed at present; probes count as that.
    [[nodiscard]] bool compresses(DeviceId device) const noexcept;

  private:
    static constexpr std::chrono::seconds kPauseMin{1};

    enum class Mode : std::uint8_t { raw, compress, probe };
    struct Device {
        Mode mode = Mode::raw;
        RecentRate outcome;            ///< Plain bytes over coding and sending, while compressing.
        Clock::time_point next_try{};  ///< Of a sample, or of a probe.
        Clock::duration trial_pause = kPauseMin;
        Clock::duration probe_pause = kPauseMin;
        std::uint64_t probe_bytes = 0;
        Clock::duration probe_time{0};
        Clock::duration probe_judged_time{0};
    };

    [[nodiscard]] Device& at(DeviceId device) noexcept { return devices_[device.value]; }
    [[nodiscard]] bool promises_gain(const CompressionSample& sample) const noexcept;
    void judge_compression(Device& device, Clock::time_point now) const noexcept;
    static void judge_probe(Device& device, const PacketCost& cost, Clock::time_point now) noexcept;
    static void back_to_raw(Device& device, Clock::time_point now) noexcept;

    RecentRate link_;  ///< Wire bytes over time spent sending: what the channel takes.
    std::vector<Device> devices_;
};

}  // namespace multifd
