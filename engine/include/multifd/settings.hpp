// What a user may choose, with defaults. Names are QEMU's where QEMU has the parameter.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "multifd/device.hpp"

namespace multifd {

/// Who is at the other end.
enum class Peer {
    multifd,  ///< Hello, commit and verification; a peer without a hello is an error.
    qemu,     ///< A plain QEMU stream: no hello, so no commit and no verification.
};

/// A device's multifd property. The ends must agree, see resolve_multifd() in PROTOCOL.md.
enum class MultifdProperty {
    automatic,  ///< "auto": the channels whenever both ends can.
    on,         ///< Must use the channels.
    off,        ///< Main channel.
};

/// What an end does that cannot know who owns the devices.
enum class OnUnknownOwner {
    hold,  ///< run() keeps the devices stopped and waits until cancel() releases it.
    exit,  ///< run() returns at once; the devices stay stopped.
};

/// Whether device state on the channels is compressed. The ends agree: none at either end is none
/// at both, and contradicts zstd at the other.
enum class MultifdCompression {
    none,
    zstd,       ///< Every packet that becomes smaller.
    automatic,  ///< "auto": when and where it makes the transfer faster. A destination takes it.
};

/// Whose packet goes next when devices wait for room on the channels.
enum class SubmissionPolicy {
    behind,   ///< The device with the largest part of its state left, where sizes differ.
    arrival,  ///< Who came first.
};

/// One device of a session.
struct DeviceEntry {
    std::string idstr;  ///< 1 to 255 bytes, no NUL.
    std::uint32_t instance_id = 0;
    MultifdProperty multifd = MultifdProperty::automatic;
    std::shared_ptr<Device>
        device;  ///< Shared, because a call that never returns outlives the session.
};

/// On which NUMA node the channels' threads run and the packets' memory lies. On a machine with one
/// node nothing changes, and the report says so.
struct NumaNode {
    enum class Kind {
        none,       ///< Wherever the system puts them.
        automatic,  ///< "auto": the node of the main connection's network device, when it is known.
        fixed,      ///< `node`.
    };
    Kind kind = Kind::none;
    unsigned node = 0;
};

/// What both ends have.
struct CommonSettings {
    Peer peer = Peer::multifd;
    std::chrono::milliseconds connect_timeout{10'000};   ///< All connections and hellos.
    std::chrono::milliseconds phase_timeout{3'600'000};  ///< Any one phase (setup, active, device).
    std::chrono::milliseconds stall_timeout{
        30'000};         ///< No progress, a silent peer, one device call.
    bool verify = true;  ///< transfer-digest; used when both ends want it.
    /// Pre-copy data of devices that use the channels takes the channels too; when both ends want
    /// it.
    bool multifd_pre_copy = true;
    std::string state_dir;  ///< Folder of ownership records, made when missing; empty keeps none.
    OnUnknownOwner on_unknown_owner = OnUnknownOwner::hold;
    /// Channel i's thread runs on CPU i modulo their number. Empty: anywhere.
    std::vector<unsigned> channel_cpus{};
    NumaNode numa_node{};
};

struct SourceSettings : CommonSettings {
    std::string to;                       ///< tcp:HOST:PORT or unix:PATH.
    std::uint32_t multifd_channels = 2;   ///< 1 to 255.
    std::size_t packet_size = 1U << 20U;  ///< State bytes per packet: 4 KiB to 16 MiB, whole pages.
    MultifdCompression multifd_compression = MultifdCompression::none;  ///< QEMU's default.
    int multifd_zstd_level = 1;  ///< 0 to 20: 0 compresses nothing, 1 is fastest, 20 smallest.
    std::chrono::milliseconds downtime_limit{300};  ///< Pre-copy ends when the rest fits into it.
    bool strict_downtime = false;  ///< Over the limit, nothing is stopped: downtime_unreachable.
    /// Bytes per second of everything sent while the devices run; 0, the default, is no limit.
    /// QEMU's meaning, but not its default of 128 MiB/s, which no pre-copy of a large device
    /// survives: whoever shares a link knows it, and how much of it to leave.
    std::uint64_t max_bandwidth = 0;
    std::uint64_t max_switchover_bandwidth = 0;  ///< The same while they are stopped; 0: no limit.
    /// What the link will give to the switchover, bytes per second, for the prediction alone; 0:
    /// what was measured.
    std::uint64_t avail_switchover_bandwidth = 0;
    std::string congestion_control{};  ///< TCP congestion control ("bbr"); empty: the system's.
    SubmissionPolicy submission_order = SubmissionPolicy::behind;
    bool switchover_ack = false;   ///< Wait for the destination's acknowledgement of initial data.
    std::string machine = "none";  ///< Peer qemu: the machine type in CONFIGURATION.
    std::array<std::byte, 16> uuid{};  ///< Peer qemu: the guest's UUID, which QEMU checks.
    /// Further addresses of the same destination. The channels are spread over `to` and these, one
    /// after the other: channel i takes address i modulo their number, so there are at least as
    /// many channels. The main channel and the control connection take `to`.
    std::vector<std::string> also_to{};
    /// The source address of the connections to `to` and to each of `also_to`, by position: an IPv4
    /// or IPv6 address of this host, or "any". What is not given is "any".
    std::vector<std::string> bind{};
};

struct DestinationSettings : CommonSettings {
    std::uint32_t multifd_channels =
        0;  ///< 0 takes the source's; with peer qemu the number to expect.
    MultifdCompression multifd_compression = MultifdCompression::automatic;
    std::size_t packet_size_max = 16U << 20U;  ///< Largest packet size this end agrees to.
    std::size_t max_queued_bytes = 256U
                                   << 20U;  ///< Bound on state held in memory, plus one packet.
};

struct ListenerSettings {
    std::string listen;  ///< tcp:HOST:PORT (port 0 picks one) or unix:PATH.
    Peer peer = Peer::multifd;
    std::chrono::milliseconds classify_timeout{10'000};  ///< For a connection to say what it is.
    std::uint32_t unclassified_max = 512;  ///< Connections that may be in that state at once.
    std::uint32_t parked_max = 255;        ///< Peer qemu: channels kept before their main channel.
    std::chrono::milliseconds parked_timeout{10'000};
    std::vector<std::string> also_listen{};  ///< Further addresses, of any family.
    std::string congestion_control{};        ///< Of accepted connections; empty: the system's.
};

}  // namespace multifd
