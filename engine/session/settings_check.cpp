#include "engine/session/settings_check.hpp"

#include <set>
#include <stdexcept>
#include <string>

#include "channels/codec/zstd_compressor.hpp"
#include "channels/transport/address.hpp"
#include "channels/transport/congestion_control.hpp"
#include "channels/wire/ids.hpp"
#include "channels/wire/limits.hpp"
#include "engine/paths/channel_placement.hpp"
#include "engine/paths/network_paths.hpp"

namespace multifd {
namespace {

[[noreturn]] void refuse(const std::string& text) {
    throw std::invalid_argument(text);
}

void check_range(const char* name, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
    if (value >= low && value <= high) return;
    refuse(std::string(name) + " is " + std::to_string(value) + "; it may be " +
           std::to_string(low) + " to " + std::to_string(high));
}

void check_timeout(const char* name, std::chrono::milliseconds value) {
    constexpr std::chrono::hours kLongest(24 * 365);
    if (value.count() >= 1 && value <= kLongest) return;
    refuse(std::string(name) + " is " + std::to_string(value.count()) +
           " ms; it must be at least 1 ms");
}

void check_common(const CommonSettings& settings) {
    check_timeout("connect-timeout", settings.connect_timeout);
    check_timeout("phase-timeout", settings.phase_timeout);
    check_timeout("stall-timeout", settings.stall_timeout);
    check_placement(settings, read_topology());
}

/// Towards QEMU nothing can be agreed, and its own device-state packets are never compressed.
void check_compression_peer(Peer peer, bool wanted) {
    if (peer != Peer::qemu || !wanted) return;
    refuse(
        "multifd-compression needs a multifd peer: QEMU compresses no device state; "
        "leave it out with peer qemu");
}

void check_compression(const SourceSettings& settings) {
    if (settings.multifd_zstd_level < 0 || settings.multifd_zstd_level > kZstdLevelMax) {
        refuse("multifd-zstd-level is " + std::to_string(settings.multifd_zstd_level) +
               "; it may be 0 to " + std::to_string(kZstdLevelMax));
    }
    check_compression_peer(settings.peer, settings.multifd_compression != MultifdCompression::none);
}

void check_devices(const std::vector<DeviceEntry>& devices) {
    if (devices.empty()) refuse("there is no device to migrate; give at least one --device");
    check_range("the number of devices", devices.size(), 1, limits::kDevicesMax);
    std::set<DeviceIdentity> seen;
    for (const auto& entry : devices) {
        const DeviceIdentity identity{entry.idstr, entry.instance_id};
        if (entry.idstr.empty() || entry.idstr.size() > limits::kIdstrBytesMax ||
            entry.idstr.find('\0') != std::string::npos) {
            refuse("a device's idstr must have 1 to 255 bytes and no NUL");
        }
        if (entry.device == nullptr) refuse("device " + to_string(identity) + " has no Device");
        if (entry.multifd == MultifdProperty::on && entry.device->traits().chunked) {
            refuse("device " + to_string(identity) +
                   " gives its state in chunks that must stay whole, which the channels do not "
                   "keep; leave out multifd=on");
        }
        if (!seen.insert(identity).second) {
            refuse("device " + to_string(identity) +
                   " is given twice; idstr and instance-id together "
                   "must differ");
        }
    }
}

void check_packet_size(const char* name, std::size_t value) {
    check_range(name, value, limits::kPacketDataBytesMin, limits::kPacketDataBytesMax);
    if (value % limits::kPageBytes != 0) {
        refuse(std::string(name) + " is " + std::to_string(value) +
               "; it must be whole pages of 4 KiB");
    }
}

// Tried here, because the kernel alone knows which it has and who may use them.
void check_congestion_control(const std::string& name, const std::string& address) {
    if (name.empty()) return;
    const auto where = parse_address(address);
    if (where && where->family == Address::Family::unix_path) {
        refuse("congestion-control is " + name + ", but " + address + " is no TCP address");
    }
    const auto error = try_congestion_control(name);
    if (!error) return;
    const std::string what = "congestion-control is \"" + name + "\", ";
    if (error == boost::system::errc::operation_not_permitted) {
        refuse(what +
               "which only root may use; net.ipv4.tcp_allowed_congestion_control lists "
               "those for everybody");
    }
    if (error == boost::system::errc::no_such_file_or_directory) {
        refuse(what + "which this kernel does not have; it offers " +
               available_congestion_controls());
    }
    refuse(what + "which cannot be had here: " + error.message());
}

}  // namespace

void check(const ListenerSettings& settings) {
    check_congestion_control(settings.congestion_control, settings.listen);
}

void check(const SourceSettings& settings, const std::vector<DeviceEntry>& devices) {
    check_common(settings);
    check_devices(devices);
    check_range("multifd-channels", settings.multifd_channels, limits::kChannelsMin,
                limits::kChannelsMax);
    check_network_paths(settings);
    check_packet_size("packet-size", settings.packet_size);
    check_compression(settings);
    check_congestion_control(settings.congestion_control, settings.to);
    if (settings.downtime_limit.count() < 0) refuse("downtime-limit is negative");
    if (settings.machine.empty() || settings.machine.size() > limits::kMachineNameBytesMax) {
        refuse("machine must have 1 to 255 bytes");
    }
}

void check(const DestinationSettings& settings, const std::vector<DeviceEntry>& devices) {
    check_common(settings);
    check_devices(devices);
    check_range("multifd-channels", settings.multifd_channels, 0, limits::kChannelsMax);
    check_packet_size("max-packet-size", settings.packet_size_max);
    check_compression_peer(settings.peer, settings.multifd_compression == MultifdCompression::zstd);
    if (settings.max_queued_bytes < limits::kPacketDataBytesMin) {
        refuse("max-queued-bytes is " + std::to_string(settings.max_queued_bytes) +
               "; it must hold at least one packet of 4 KiB");
    }
    // QEMU does not say how large its packets are, so each buffer must hold the largest.
    if (settings.peer == Peer::qemu && settings.max_queued_bytes < settings.packet_size_max) {
        refuse("max-queued-bytes is " + std::to_string(settings.max_queued_bytes) +
               "; towards QEMU it must hold at least one packet of max-packet-size, " +
               std::to_string(settings.packet_size_max));
    }
}

}  // namespace multifd
