// The destination and pre-copy data on the channels: initial data, how far it is, where it ends.
#include <algorithm>

#include "engine/destination/destination_session.hpp"

namespace multifd {

// In the form that fits the device's way; on the channels once.
Result<> DestinationSession::note_initial_data(const DeviceSlot& slot, std::uint32_t end,
                                               bool on_channels) {
    auto& initial_end = incoming_[slot.id.value].initial_end;
    const bool repeated = on_channels && initial_end != Incoming::kNotSent;
    if (repeated || on_channels != slot.pre_copy_on_channels) {
        return ErrorCode(Errc::device_token_unexpected);
    }
    initial_end = end;
    return {};
}

// By whoever comes last: the main thread, which reads the marks, or the load thread that gets to
// one. Whichever looks second sees both, because next_idx() and loaded() take the same lock.
bool DestinationSession::acknowledge_initial_data() {
    {
        const std::scoped_lock lock(answer_mutex_);
        if (switchover_ack_sent_ || !return_path_open_) return true;
        for (std::uint32_t i = 0; i < incoming_.size(); ++i) {
            const auto end = incoming_[i].initial_end.load(std::memory_order_relaxed);
            if (end == Incoming::kNotSent) return true;
            if (end != 0 && inbound_->next_idx(DeviceId{i}) < end) return true;
        }
        switchover_ack_sent_ = true;
    }
    return answer(ReturnPathType::switchover_ack);
}

Result<> DestinationSession::answer_pre_copy_query() {
    if (!pre_copy_on_channels_) return ErrorCode(Errc::command_unexpected);
    std::vector<PreCopyStatusEntry> entries;
    for (std::uint32_t i = 0; i < source_order_.size(); ++i) {
        const auto& slot = *devices_[source_order_[i]];
        if (!slot.pre_copy_on_channels) continue;
        entries.push_back({.device = i,
                           .loaded_bytes = slot.pre_copy_bytes.value(),
                           .write_us = slot.times.pre_copy.us()});
    }
    for (const auto& body : encode_pre_copy_status(entries)) {
        if (!answer(ReturnPathType::pre_copy_status, body)) return ErrorCode(Errc::cancelled);
    }
    return {};
}

Result<> DestinationSession::begin_switchover_at(const Command& command) {
    if (!pre_copy_on_channels_) return ErrorCode(Errc::command_unexpected);
    const auto entries = decode_switchover(command.data);
    if (!entries) return entries.error();
    std::vector<bool> expected;
    for (const auto device : source_order_) {
        expected.push_back(devices_[device]->pre_copy_on_channels);
    }
    for (const auto& entry : *entries) {
        if (entry.device >= expected.size() || !expected[entry.device]) {
            return ErrorCode(Errc::message_malformed);
        }
        expected[entry.device] = false;
    }
    if (std::ranges::find(expected, true) != expected.end()) {
        return ErrorCode(Errc::message_malformed);
    }
    // All load threads run before anything is waited for: packets of stopped devices, which may be
    // here already, must not hold the memory that the last pre-copy packets need.
    if (const auto begun = begin_switchover(); !begun) return begun.error();
    return end_pre_copy(*entries);
}

Result<> DestinationSession::end_pre_copy(std::span<const SwitchoverEntry> entries) {
    for (const auto& entry : entries) {
        const auto& slot = *devices_[source_order_[entry.device]];
        const auto ended = inbound_->end_pre_copy(slot.id, entry.next_idx);
        if (ended) continue;
        fail({.code = ended.error(),
              .detail = "the switchover names another end of the pre-copy packets than they show",
              .device = slot.identity,
              .idx = entry.next_idx});
        return ErrorCode(Errc::cancelled);
    }
    // What was sent before the switchover is loaded before anything behind it on the main channel.
    for (const auto& entry : entries) {
        const auto id = devices_[source_order_[entry.device]]->id;
        if (!inbound_->await_loaded(id, entry.next_idx)) return ErrorCode(Errc::cancelled);
    }
    return {};
}

}  // namespace multifd
