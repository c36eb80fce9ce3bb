// DowntimePrediction: how long the devices would stand still. Sans-I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace multifd {

/// One device, as far as it was measured.
struct DeviceOutlook {
    std::uint64_t left_bytes = 0;  ///< What STOP_COPY would give now.
    /// At which its data was read, sent and taken in so far; 0 when nothing was.
    double bytes_per_second = 0;
    bool multifd = true;           ///< Its state takes the channels, beside the others'.
    std::uint64_t sent_bytes = 0;  ///< Sent before, and not loaded yet.
};

/// All that is known before anything is stopped.
struct SwitchoverOutlook {
    std::vector<DeviceOutlook> devices;
    std::uint64_t host_bytes = 0;      ///< Still to be sent by the host, down the main channel.
    double link_bytes_per_second = 0;  ///< Of all connections together; 0 when not known.
    bool link_held = false;            ///< A limit held that rate: the link may give more.
    std::uint64_t sent_bytes = 0;      ///< Of all devices.
    double sent_bytes_per_second = 0;  ///< At which these come through.
    std::chrono::microseconds round_trip{0};
    std::chrono::microseconds record{0};  ///< To make one ownership record durable.
};

/// The parts overlap: the largest of the first three decides, and the fixed ones follow it.
struct DowntimePrediction {
    std::chrono::microseconds link{0};          ///< All bytes at the link's rate.
    std::chrono::microseconds device{0};        ///< The slowest device on the channels.
    std::chrono::microseconds main_channel{0};  ///< Devices and host there, one after the other.
    std::chrono::microseconds round_trips{0};
    std::chrono::microseconds records{0};
    std::chrono::microseconds total{0};
    std::uint64_t bytes = 0;
    /// A held rate of the link decides, so the downtime will be shorter than `total`. Where a rate
    /// is missing a held one is not used: the prediction would be no bound at all.
    bool link_held = false;
    /// Every rate that matters was measured. If not, the downtime will be longer than `total`.
    /// What is never known before is not in it: stopping, validating and starting the devices.
    bool complete = true;
};

DowntimePrediction predict(const SwitchoverOutlook& outlook) noexcept;

}  // namespace multifd
