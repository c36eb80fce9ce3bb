// What a session says of itself: the snapshot and the report.
#include <algorithm>

#include "channels/transport/socket_address.hpp"
#include "engine/session/migration_session.hpp"

namespace multifd {
namespace {

std::uint64_t ms_between(Clock::time_point from, Clock::time_point to) {
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(to - from);
    return static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0));
}

void mark(std::atomic<Clock::rep>& time) noexcept {
    time.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
}

DeviceReport device_report(const DeviceSlot& slot) {
    DeviceReport report;
    report.idstr = slot.identity.idstr;
    report.instance_id = slot.identity.instance_id;
    report.multifd = slot.multifd;
    report.packets = slot.packets.value();
    report.bytes = slot.bytes.value();
    report.pre_copy_bytes = slot.pre_copy_bytes.value();
    report.expected_bytes = slot.expected_bytes.load(std::memory_order_relaxed);
    report.final_state =
        slot.stuck || !slot.answered ? "unknown" : to_string(slot.seen_state.load());
    return report;
}

}  // namespace

double MigrationSession::transfer_rate(const Statistics& numbers, Clock::time_point now) const {
    const auto began = transfer_began_.load(std::memory_order_relaxed);
    const auto ended = transfer_ended_.load(std::memory_order_relaxed);
    if (began == 0) return 0;
    const auto until = ended != 0 ? Clock::time_point(Clock::duration(ended)) : now;
    const std::chrono::duration<double> time = until - Clock::time_point(Clock::duration(began));
    std::uint64_t bytes = 0;
    for (const auto& device : numbers.devices) bytes += device.bytes;
    return time.count() > 0 ? static_cast<double>(bytes) * 8 / 1e6 / time.count() : 0;
}

Statistics MigrationSession::statistics() const {
    Statistics numbers;
    numbers.role = role_;
    numbers.status = status();
    const auto now = Clock::now();
    {
        const std::scoped_lock lock(names_mutex_);
        numbers.session = session_text_;
        numbers.peer = peer_;
        numbers.elapsed_ms = ms_between(began_, now);
    }
    for (const auto& slot : devices_) {
        numbers.devices.push_back(device_report(*slot));
        const auto& device = numbers.devices.back();
        numbers.transferred += device.bytes + device.pre_copy_bytes;
        if (device.expected_bytes > device.bytes && !slot->ended) {
            numbers.remaining += device.expected_bytes - device.bytes;
        }
    }
    numbers.mbps = transfer_rate(numbers, now);
    add_numbers(numbers);
    return numbers;
}

void MigrationSession::add_traffic(Statistics& statistics,
                                   std::span<const ChannelCounters> channels,
                                   std::span<const DeviceTraffic> devices) {
    std::uint32_t id = 0;
    for (const auto& channel : channels) {
        statistics.channels.push_back({.id = id++,
                                       .packets = channel.packets.value(),
                                       .bytes = channel.bytes.value(),
                                       .cpu_us = channel.cpu_ns.value() / 1000,
                                       .raw_bytes = channel.raw_bytes.value(),
                                       .compression_time_us = channel.coding.us()});
    }
    for (std::size_t i = 0; i < devices.size(); ++i) {
        auto& report = statistics.devices[i];
        report.wire_bytes = devices[i].wire_bytes.load(std::memory_order_relaxed);
        report.encoded_packets = devices[i].encoded_packets.load(std::memory_order_relaxed);
    }
}

void MigrationSession::place_channels(int local, std::size_t channels) {
    std::string device;
    std::optional<unsigned> node;
    if (common_.numa_node.kind == NumaNode::Kind::automatic) {
        device = network_device_of(local_address_of(local));
        node = node_of_device(device);
    }
    placement_.emplace(plan_placement(common_, read_topology(), device, node), channels);
    if (!placement_->note().empty()) log(LogLevel::info, placement_->note());
}

void MigrationSession::describe_channels(Statistics& statistics,
                                         const std::vector<std::string>& paths) const {
    for (auto& channel : statistics.channels) {
        channel.path = paths[channel.id];
        channel.cpus = placement_->cpus_of(ChannelId{static_cast<std::uint8_t>(channel.id)});
        channel.tcp = samples_.of(channel.id);
    }
}

VerifyEntry MigrationSession::count(const DeviceSlot& slot) const {
    VerifyEntry entry{.device = 0,
                      .packets = slot.packets.value(),
                      .bytes = slot.bytes.value() + slot.pre_copy_bytes.value(),
                      .digest = slot.digest.value()};
    if (pre_copy_on_channels_) entry.pre_copy_bytes = slot.pre_copy_bytes.value();
    return entry;
}

bool MigrationSession::same_counts(const VerifyEntry& one, const VerifyEntry& other) noexcept {
    return one.packets == other.packets && one.bytes == other.bytes &&
           one.pre_copy_bytes == other.pre_copy_bytes;
}

std::string MigrationSession::in_words(const VerifyEntry& counts) {
    std::string text = std::to_string(counts.bytes) + " bytes ";
    if (counts.pre_copy_bytes) {
        text += "(" + std::to_string(*counts.pre_copy_bytes) + " before the stop) ";
    }
    return text + "in " + std::to_string(counts.packets) + " packets";
}

void MigrationSession::add_part(std::string_view name, Clock::duration time) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    downtime_parts_.push_back({name, static_cast<std::uint64_t>(std::max<std::int64_t>(us, 0))});
}

void MigrationSession::mark_transfer_began() noexcept {
    used_at_transfer_ = processor_time_of_process();
    mark(transfer_began_);
}

void MigrationSession::mark_transfer_ended() noexcept {
    mark(transfer_ended_);
    used_by_transfer_ = used_between(used_at_transfer_, processor_time_of_process());
}

std::optional<TransferCost> MigrationSession::transfer_cost() const {
    const auto began = transfer_began_.load(std::memory_order_relaxed);
    const auto ended = transfer_ended_.load(std::memory_order_relaxed);
    if (began == 0 || ended == 0) return std::nullopt;
    const auto time =
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::duration(ended - began));
    return TransferCost{.us = static_cast<std::uint64_t>(time.count()),
                        .user_us = used_by_transfer_.user_us,
                        .system_us = used_by_transfer_.system_us};
}

Status MigrationSession::settle_status(Status status) {
    if (status == Status::failed && was_cancelled()) {
        set_status(Status::cancelling);
        status = Status::cancelled;
    }
    set_status(status);
    return status;
}

void MigrationSession::add_owner(Report& report, const OwnershipSummary& summary) {
    report.owner = summary.owner;
    report.retry_safe = summary.retry_safe;
    report.next_step = summary.next_step;
}

void MigrationSession::fill_report(Report& report) const {
    samples_.finish();
    static_cast<Statistics&>(report) = statistics();
    report.remaining = 0;
    const auto now = Clock::now();
    report.total_time_ms = ms_between(began_, now);
    report.setup_time_ms = set_up_ ? ms_between(began_, *set_up_) : 0;
    report.congestion_control = congestion_control_;
    report.downtime_parts = downtime_parts_;
    report.transfer = transfer_cost();
    report.agreed = agreed_;
    if (placement_) {
        report.numa_node = placement_->node();
        report.placement_note = placement_->note();
    }
    for (std::size_t i = 0; i < devices_.size(); ++i) {
        if (!agreed_verify_ || devices_[i]->stuck) continue;
        report.devices[i].transfer_digest = digest_text(devices_[i]->digest.value());
    }
    if (const auto failure = first_failure_.get()) report.error = to_report(*failure, peer_);
}

}  // namespace multifd
