// DeviceSlot: one device of a session, with its thread, its counts and its digest.
#pragma once

#include <atomic>
#include <cstdint>

#include "channels/wire/ids.hpp"
#include "engine/packets/channel_counters.hpp"
#include "engine/packets/transfer_digest.hpp"
#include "engine/session/call_worker.hpp"
#include "multifd/settings.hpp"

namespace multifd {

/// What this device's thread spent its time on; parts of the downtime.
struct DeviceTimes {
    TimeCounter data;  ///< Source: in read(). Destination: in write().
    TimeCounter wait;  ///< Source: for a free buffer or queue place. Destination: for the next idx.
    TimeCounter config;  ///< In save_config() or load_config().
    /// In write() before the switchover; no part of the downtime.
    TimeCounter pre_copy;
};

/// What both roles know of a device.
/// Threads:   what is not atomic is written by the session's main thread before the device's thread
///            starts a job, or by that job; a job's end publishes what it wrote.
struct DeviceSlot {
    DeviceSlot(DeviceEntry device_entry, DeviceId device_id)
        : entry(with_its_way(std::move(device_entry))),
          identity{entry.idstr, entry.instance_id},
          id(device_id),
          traits(entry.device->traits()) {}

    /// Packets have their own sizes, so chunks stay whole on the main channel alone.
    static DeviceEntry with_its_way(DeviceEntry entry) {
        const bool undecided = entry.multifd == MultifdProperty::automatic;
        if (undecided && entry.device->traits().chunked) entry.multifd = MultifdProperty::off;
        return entry;
    }

    const DeviceEntry entry;
    const DeviceIdentity identity;
    const DeviceId id;
    const DeviceTraits traits;
    CallWorker worker;

    std::atomic<bool> multifd = false;  ///< Agreed: its state takes the channels.
    /// It gives a part of its state before it stops; what comes afterwards is only the rest.
    bool pre_copies = false;
    bool pre_copy_on_channels = false;  ///< Agreed: that part takes the channels too.
    bool running = false;  ///< Source: it ran when the migration began. Destination: it is to run.
    DeviceState initial_state = DeviceState::error;  ///< ERROR until the device has been asked.
    std::atomic<std::uint64_t> expected_bytes = 0;   ///< Of STOP_COPY and config, as estimated.

    TransferDigest digest;
    Counter packets;
    Counter bytes;  ///< State bytes of STOP_COPY and config.
    Counter pre_copy_bytes;
    std::atomic<std::uint32_t> idx = 0;  ///< The next one to submit or to load; for messages.
    DeviceTimes times;

    std::atomic<DeviceState> seen_state = DeviceState::stop;  ///< What state() said last.
    std::atomic<bool> answered = true;  ///< It said its state when it was asked last.
    std::atomic<bool> stuck = false;    ///< A call did not return: it cannot be asked any more.
    std::atomic<bool> ended = false;    ///< Its save or load job has done all of its work.
};

}  // namespace multifd
