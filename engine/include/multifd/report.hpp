// What a migration has to say: the snapshot at any time, and the report at the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace multifd {

enum class Role { source, destination };

/// QEMU's MigrationStatus names, and unknown_owner, which QEMU lacks.
enum class Status {
    none,
    setup,
    active,
    pre_switchover,
    device,
    completed,
    failed,
    cancelling,
    cancelled,
    unknown_owner,
};

/// Who owns the devices, as far as this end knows.
enum class Owner { source, destination, unknown };

std::string_view to_string(Role role) noexcept;
std::string_view to_string(Status status) noexcept;  ///< "pre-switchover", "unknown-owner", ...
std::string_view to_string(Owner owner) noexcept;

/// What the kernel knows of a channel's TCP connection: rates and limits of what this end sends,
/// which at the destination is next to nothing. Times and counts since it was made.
struct TcpReport {
    std::string local_address;
    std::string remote_address;
    std::string congestion_control;
    std::uint64_t rtt_us = 0;  ///< Smoothed round trip time.
    std::uint64_t rtt_variation_us = 0;
    std::uint64_t retransmits = 0;             ///< Segments sent again.
    std::uint64_t congestion_window = 0;       ///< In segments.
    std::uint64_t segment_bytes = 0;           ///< Largest segment.
    std::uint64_t delivery_rate = 0;           ///< Bytes per second that lately reached the peer.
    std::uint64_t busy_us = 0;                 ///< With bytes on their way.
    std::uint64_t receiver_limited_us = 0;     ///< Of that: the peer took no more.
    std::uint64_t send_buffer_limited_us = 0;  ///< Of that: the send buffer was too small.
    std::uint64_t unanswered = 0;              ///< Retransmissions and probes in a row, at the end.
};

struct ChannelReport {
    std::uint32_t id = 0;
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;      ///< All bytes on this channel, headers included.
    std::uint64_t cpu_us = 0;     ///< Processor time of its thread here; 0 until that has ended.
    std::uint64_t raw_bytes = 0;  ///< What its packets' data stand for, uncompressed.
    std::uint64_t compression_time_us = 0;  ///< Compressing at the source, else decompressing.
    std::string path{};  ///< The destination's address: as it was given to the source, or as the
                         ///< destination was reached.
    std::string cpus{};  ///< Where its thread was placed: "3", "0-7"; empty when it was not.
    std::optional<TcpReport> tcp{};  ///< Nothing for a UNIX socket.
};

/// A network path that was clearly slower than another.
struct SlowPathReport {
    std::string path;
    std::string fastest;  ///< The path it is compared with.
    double mbps = 0;      ///< Megabits per second of one of its channels, while busy.
    double fastest_mbps = 0;
    std::string advice;  ///< One line: what to look at.
};

struct DeviceReport {
    std::string idstr;
    std::uint32_t instance_id = 0;
    bool multifd = false;       ///< Whether its state used the channels.
    std::uint64_t packets = 0;  ///< Device-state packets, the config state's included.
    std::uint64_t bytes = 0;    ///< State bytes of STOP_COPY and config, without headers.
    std::uint64_t pre_copy_bytes = 0;
    std::uint64_t expected_bytes = 0;  ///< The device's own estimate; 0 when it has none.
    std::string transfer_digest;       ///< 16 hexadecimal digits; empty with verify off.
    std::string final_state;       ///< A DeviceState's name, or "unknown" when it cannot be asked.
    std::uint64_t wire_bytes = 0;  ///< Of its packets on the channels, headers included.
    std::uint64_t encoded_packets = 0;  ///< Those that travelled compressed, or without zeros.
};

/// A part of the downtime, bounded by two events of one clock.
struct DowntimePart {
    std::string_view name;  ///< "stop", "read", "send", ...
    std::uint64_t us = 0;
};

/// What the transfer of device state took at this end: on the source from SWITCHOVER_START sent
/// to the last byte given to the kernel, on the destination from SWITCHOVER_START read to the last
/// byte loaded.
struct TransferCost {
    std::uint64_t us = 0;
    std::uint64_t user_us = 0;  ///< Processor time of the whole process meanwhile.
    std::uint64_t system_us = 0;
};

/// What the destination has told the source of its transfer, by its own clock.
struct DestinationTransfer {
    TransferCost transfer;
    std::uint64_t processors = 1;        ///< Of its host, that its process may use.
    std::uint64_t queued_bytes_max = 0;  ///< Its memory limit for packets; 0 when it did not say.
    std::uint64_t peak_queued_bytes = 0;
    std::uint64_t channel_cpu_us = 0;          ///< Processor time of the busiest channel's thread.
    std::vector<DowntimePart> downtime_parts;  ///< Those of its own report up to "validate".
};

/// What the source expected before it stopped anything. Microseconds.
struct PredictedDowntime {
    std::uint64_t total_us = 0;
    std::vector<DowntimePart> parts;     ///< "link", "device", "main-channel": the largest counts;
                                         ///< "round-trips", "records" come on top.
    std::uint64_t bytes = 0;             ///< Left to be sent.
    std::uint64_t bytes_per_second = 0;  ///< Of the link; 0 when not known.
    std::string_view rate_from;          ///< The setting that gave it, "pre-copy", or "none".
    bool complete = false;               ///< False: a rate was not known, so `total_us` is too low.
    /// True: --max-bandwidth held the rate, the link may give more, and `total_us` is too high.
    bool rate_held = false;
};

/// The first cause of a failure, and where.
struct ErrorReport {
    std::string code;   ///< The contract: "idx_gap". Messages may change.
    std::string phase;  ///< The status in which it happened.
    std::optional<std::string> device;
    std::optional<std::uint32_t> idx;
    std::optional<std::uint32_t> channel;
    std::optional<std::string> peer;
    std::string message;  ///< One line: what, where, what to do.
    int exit_code = 1;    ///< The command's exit code for it.
};

/// A snapshot. Numbers only grow during a migration, but for `queued_bytes` and `remaining`.
struct Statistics {
    Role role = Role::source;
    Status status = Status::none;
    std::string session;
    std::string peer;
    Owner owner = Owner::source;  ///< Of the devices, as far as this end can know now.
    /// What goes on when no bytes have to move: "the destination to load"; else empty.
    std::string_view waits_for;
    std::uint64_t elapsed_ms = 0;
    std::uint64_t transferred = 0;  ///< Bytes of state, pre-copy and config.
    std::uint64_t remaining = 0;    ///< Estimated bytes to go; 0 when unknown.
    double mbps = 0;                ///< Megabits per second over the transfer of device state.
    std::uint64_t queued_bytes = 0;
    std::uint64_t peak_queued_bytes = 0;
    std::vector<ChannelReport> channels;
    std::vector<DeviceReport> devices;
};

/// A setting that the ends agreed on, which may differ from what was asked.
struct AgreedSetting {
    std::string_view name;
    std::uint64_t value = 0;
    std::string_view text{};  ///< Of a setting that is a word; then `value` says nothing.
};

/// The end of a migration. Times are QEMU's milliseconds where QEMU has the name.
struct Report : Statistics {
    bool retry_safe = true;
    std::string next_step;  ///< One line for the operator.
    std::uint64_t total_time_ms = 0;
    std::uint64_t setup_time_ms = 0;
    std::optional<std::uint64_t> downtime_ms;  ///< Source: first stop call to receipt of Running.
    std::optional<std::uint64_t>
        switchover_span_ms;          ///< Destination: SWITCHOVER_START to last device running.
    std::string congestion_control;  ///< Of the main channel's socket; empty when it is no TCP.
    std::vector<DowntimePart> downtime_parts;
    std::optional<TransferCost> transfer;  ///< Empty when the transfer did not come to its end.
    std::optional<DestinationTransfer> destination{};     ///< Source, when the destination told it.
    std::optional<PredictedDowntime> predicted_downtime;  ///< Source, once it was predicted.
    std::vector<AgreedSetting> agreed;
    std::vector<SlowPathReport> slow_paths{};  ///< Source only: it alone can tell.
    std::optional<std::uint32_t> numa_node{};  ///< Where the packets' memory was asked for.
    std::string placement_note{};  ///< Why numa-node had no effect, or only a part of it.
    std::optional<ErrorReport> error;
    [[nodiscard]] int exit_code() const noexcept {
        return error ? error->exit_code : (status == Status::completed ? 0 : 1);
    }
};

}  // namespace multifd
