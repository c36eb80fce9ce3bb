// The source after the switchover: stop the devices, and move their state.
#include <algorithm>

#include "channels/wire/device_state_packet.hpp"
#include "engine/source/source_session.hpp"

namespace multifd {
namespace {

const auto kEvery = [](const DeviceSlot&) { return true; };

}  // namespace

bool SourceSession::ask_before_switchover() {
    if (host_ == nullptr) return !failed();
    set_status(Status::pre_switchover);
    return ask_host("before_switchover", [](Host& host, std::stop_token cancel) {
        return host.before_switchover(cancel);
    });
}

// Two barriers: no device stops before all that can have reached their P2P state, and no state is
// read before all have stopped.
bool SourceSession::stop_devices() {
    set_status(Status::device);
    const auto goes_over_p2p = [](const DeviceSlot& slot) {
        return slot.traits.p2p && slot.running;
    };
    const bool quiet = run_jobs(goes_over_p2p, [this](DeviceSlot& slot) {
        const bool pre_copies = slot.seen_state == DeviceState::pre_copy;
        set_state(slot, pre_copies ? DeviceState::pre_copy_p2p : DeviceState::running_p2p);
    });
    if (!quiet) return false;
    stop_began_ = Clock::now();
    sending_before_.clear();
    for (const auto& channel : senders_->counters()) {
        sending_before_.emplace_back(channel.moving.us());
    }
    host_paused_ = host_ != nullptr;
    if (!ask_host("pause", [](Host& host, std::stop_token cancel) { return host.pause(cancel); })) {
        return false;
    }
    stopped_ = true;
    if (!run_jobs(kEvery, [this](DeviceSlot& slot) { set_state(slot, DeviceState::stop_copy); })) {
        return false;
    }
    stopped_at_ = Clock::now();
    return !failed();
}

bool SourceSession::send_state() {
    switchover_pacer_.set_rate(settings_.max_switchover_bandwidth);
    senders_->set_pacer(switchover_pacer_);
    announce_switchover();
    if (const auto error = writer_->flush()) return fail_main(error, "sending SWITCHOVER_START");
    mark_transfer_began();
    order_submissions();
    for (auto& slot : devices_) {
        if (!slot->multifd || failed()) continue;
        slot->worker.start([self = shared_from_this(), this, slot = slot.get()] {
            try {
                save_to_channels(*slot);
            } catch (...) {
                auto failure = failure_of(std::current_exception());
                failure.device = slot->identity;
                fail(std::move(failure));
            }
        });
    }
    return send_end_sections() && save_host(SavePoint::complete);
}

// Devices wait where there is least room: those that are read, for a buffer; those that lend, for a
// place in the queue. A lending device holds its turn over no call of its own, so one that waits
// may be woken once for several packets.
void SourceSession::order_submissions() {
    if (settings_.submission_order == SubmissionPolicy::arrival) return;
    std::vector<std::uint64_t> expected(devices_.size(), 0);
    std::vector<std::uint64_t> known;
    for (const auto& slot : devices_) {
        if (!slot->multifd) continue;
        expected[slot->id.value] = slot->expected_bytes;
        known.push_back(slot->expected_bytes);
    }
    if (!is_order_worthwhile(known)) return;
    const auto buffers = pool_->count(), places = senders_->queue_packets();
    auto buffer_gate = std::make_unique<SubmissionGate>(
        expected,
        SubmissionRoom{
            .places = buffers, .refill = 1, .reserve = buffers / 2, .packet_bytes = packet_bytes_});
    auto queue_gate =
        std::make_unique<SubmissionGate>(expected, SubmissionRoom{.places = places,
                                                                  .refill = (places + 1) / 2,
                                                                  .reserve = places * 3 / 4,
                                                                  .packet_bytes = packet_bytes_});
    {
        const std::scoped_lock lock(plane_mutex_);
        buffer_gate_ = std::move(buffer_gate);
        queue_gate_ = std::move(queue_gate);
    }
    if (failed()) stop_data_plane();
}

// Towards a destination that has pre-copy packets it also says where they end.
void SourceSession::announce_switchover() {
    if (!pre_copy_on_channels_) return writer_->records().switchover_start();
    std::vector<SwitchoverEntry> entries;
    for (const auto& slot : devices_) {
        if (slot->pre_copy_on_channels) entries.push_back({slot->id.value, slot->idx});
    }
    writer_->records().command(kCommandSwitchoverAt, encode_switchover(entries));
}

bool SourceSession::send_end_sections() {
    for (auto& slot : devices_) {
        const auto id = outgoing_[slot->id.value].section_id;
        writer_->section_begins();
        writer_->records().section_begin(SectionType::end, id, slot->identity.idstr,
                                         slot->identity.instance_id);
        if (!slot->multifd &&
            !run_job(*slot, [this, slot = slot.get()] { save_to_main_channel(*slot); })) {
            return false;
        }
        writer_->records().mark(DeviceMark::end_of_state);
        writer_->records().section_end(id);
        if (const auto error = writer_->flush()) return fail_main(error, "sending an END section");
        writer_->section_ends();
    }
    return !failed();
}

bool SourceSession::send_last_sections() {
    for (auto& slot : devices_) {
        if (slot->multifd && !await_job(*slot)) return false;
    }
    senders_->finish();
    if (failed()) return false;
    for (auto& slot : devices_) {
        if (!send_config_section(*slot)) return false;
    }
    mark_transfer_ended();
    state_sent_at_ = Clock::now();
    return !failed();
}

bool SourceSession::send_config_section(DeviceSlot& slot) {
    const auto& outgoing = outgoing_[slot.id.value];
    auto& records = writer_->records();
    writer_->section_begins();
    records.section_begin(SectionType::full, outgoing.section_id, slot.identity.idstr,
                          slot.identity.instance_id);
    ErrorCode error;
    if (slot.multifd) {
        records.mark(DeviceMark::end_of_state);
    } else if (qemu_) {
        records.config(outgoing.config);
    } else {
        records.sized_config_begin(static_cast<std::uint32_t>(outgoing.config.size()));
        error = writer_->flush_with(outgoing.config);
        records.mark(DeviceMark::end_of_state);
    }
    records.section_end(outgoing.section_id);
    if (!error) error = writer_->flush();
    if (error) return fail_main(error, "sending a FULL section");
    writer_->section_ends();
    progress_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

// The save thread of a device that uses the channels.
void SourceSession::save_to_channels(DeviceSlot& slot) {
    // Of a device that has pre-copied only a rest is left, which the lent memory does not show.
    const auto lent = slot.pre_copies ? std::span<std::byte>() : slot.entry.device->lend();
    const auto [gate, other] = lent.empty() ? std::pair(buffer_gate_.get(), queue_gate_.get())
                                            : std::pair(queue_gate_.get(), buffer_gate_.get());
    if (other != nullptr) other->end(slot.id);
    const bool sent = lent.empty() ? read_and_submit(slot, gate) : submit_lent(slot, lent, gate);
    if (gate != nullptr) gate->end(slot.id);
    if (!sent || !save_config(slot)) return;
    submit_config(slot);
}

/// Waits for the device's turn, where turns are taken; false once aborted.
bool SourceSession::take_turn(SubmissionGate* gate, DeviceSlot& slot, OutboundPacket& packet) {
    if (gate == nullptr) return true;
    const auto waiting = slot.times.wait.measure();
    packet.turn = gate->enter(slot.id);
    return static_cast<bool>(packet.turn);
}

// All packets but the last are full: a destination may place them by their idx alone.
bool SourceSession::read_and_submit(DeviceSlot& slot, SubmissionGate* gate) {
    for (;;) {
        OutboundPacket packet;
        if (!take_turn(gate, slot, packet)) return false;
        {
            const auto waiting = slot.times.wait.measure();
            auto buffer = pool_->acquire();
            if (!buffer) return false;
            packet.buffer = std::move(*buffer);
        }
        const auto target = packet.buffer.bytes().first(packet_bytes_);
        const auto size = fill(slot, target);
        if (!size) return false;
        if (*size == 0) return true;
        packet.data = target.first(*size);
        if (!submit(slot, std::move(packet))) return false;
        if (*size < packet_bytes_) return true;
    }
}

bool SourceSession::submit_lent(DeviceSlot& slot, std::span<const std::byte> state,
                                SubmissionGate* gate) {
    while (!state.empty()) {
        OutboundPacket packet;
        if (!take_turn(gate, slot, packet)) return false;
        packet.data = state.first(std::min(packet_bytes_ + std::size_t{0}, state.size()));
        state = state.subspan(packet.data.size());
        if (!submit(slot, std::move(packet))) return false;
    }
    return true;
}

bool SourceSession::submit(DeviceSlot& slot, OutboundPacket packet) {
    const auto idx = slot.idx.load(std::memory_order_relaxed);
    if (idx == limits::kIdxReserved) {
        fail({.code = Errc::idx_exhausted,
              .detail =
                  "the device has more packets than idx can number; use a larger --packet-size",
              .device = slot.identity});
        return false;
    }
    packet.device = slot.id;
    packet.idx = idx;
    const auto raw = packet.config
                         ? std::span<const std::byte>(outgoing_[slot.id.value].config)
                               .subspan(limits::kConfigTokenBytes,
                                        packet.data.size() - 2 * limits::kConfigTokenBytes)
                         : packet.data;
    const auto size = raw.size();
    const bool pre_copy = packet.pre_copy;
    auto* digest = outgoing_[slot.id.value].digest.get();
    const auto config_hash = digest != nullptr && packet.config ? hash_of(raw) : 0;
    {
        const auto waiting = (pre_copy ? slot.times.pre_copy : slot.times.wait).measure();
        if (digest != nullptr && !digest->await_room(idx)) return false;
        if (digest != nullptr && packet.config) {
            // Its tokens do not count, so this is not the channel's to hash.
            digest->add({idx, kStateFlagConfig, size, config_hash});
        } else {
            packet.digest = digest;
        }
        if (!senders_->submit(std::move(packet))) return false;
    }
    slot.packets.add(1);
    (pre_copy ? slot.pre_copy_bytes : slot.bytes).add(size);
    slot.idx.store(idx + 1, std::memory_order_relaxed);
    return true;
}

void SourceSession::submit_config(DeviceSlot& slot) {
    // The packet's payload is the config state between its tokens, kept here until it has left.
    auto& config = outgoing_[slot.id.value].config;
    const auto begin = config_state_token();
    const auto end = end_of_state_token();
    config.insert(config.begin(), begin.begin(), begin.end());
    config.insert(config.end(), end.begin(), end.end());
    OutboundPacket packet;
    packet.config = true;
    packet.data = config;
    if (submit(slot, std::move(packet))) slot.ended = true;
}

bool SourceSession::fail_over_long_read(const DeviceSlot& slot) {
    fail({.code = Errc::device_failed,
          .detail = "read claims more bytes than it was asked for",
          .device = slot.identity});
    return false;
}

/// Reads until `target` is full or the device has no more; empty after a failure.
std::optional<std::size_t> SourceSession::fill(DeviceSlot& slot, std::span<std::byte> target) {
    std::size_t filled = 0;
    while (filled < target.size()) {
        const auto time = slot.times.data.measure();
        const auto read = read_some(slot, target.subspan(filled));
        if (!read) return std::nullopt;
        if (*read == 0) break;
        filled += *read;
    }
    return filled;
}

/// What one read() gives, so that it stays one record.
std::optional<std::size_t> SourceSession::read_chunk(DeviceSlot& slot,
                                                     std::span<std::byte> target) {
    const auto time = slot.times.data.measure();
    return read_some(slot, target);
}

/// One read(); empty after a failure.
std::optional<std::size_t> SourceSession::read_some(DeviceSlot& slot, std::span<std::byte> target) {
    auto& device = *slot.entry.device;
    const auto read = slot.worker.call("read", [&] { return device.read(target); });
    if (!read.ok()) {
        fail_call(slot, "read", read);
        return std::nullopt;
    }
    if (read.result.value > target.size()) {
        fail_over_long_read(slot);
        return std::nullopt;
    }
    if (read.result.value != 0) progress_.fetch_add(1, std::memory_order_relaxed);
    return static_cast<std::size_t>(read.result.value);
}

bool SourceSession::save_config(DeviceSlot& slot) {
    const auto time = slot.times.config.measure();
    auto& config = outgoing_[slot.id.value].config;
    auto& device = *slot.entry.device;
    const auto saved = slot.worker.call("save_config", [&] { return device.save_config(config); });
    if (!saved.ok()) return fail_call(slot, "save_config", saved), false;
    if (config.size() <= limits::kConfigStateBytesMax) return true;
    fail({.code = Errc::config_too_large,
          .detail = "the device's config state has " + std::to_string(config.size()) +
                    " bytes; at most 1 MiB can be sent",
          .device = slot.identity});
    return false;
}

// The save thread of a device whose state goes down the main channel, inside its END section.
void SourceSession::save_to_main_channel(DeviceSlot& slot) {
    const auto buffer = main_buffer_->at(0);
    for (;;) {
        const auto size = slot.traits.chunked ? read_chunk(slot, buffer) : fill(slot, buffer);
        if (!size) return;
        if (*size == 0) break;
        const auto data = buffer.first(*size);
        writer_->records().data_begin(*size);
        if (const auto error = send_data(data, switchover_pacer_)) {
            fail_main(error, "sending device state");
            return;
        }
        if (agreed_verify_) {
            slot.digest.fold(TransferDigest::kMainChannelIdx, 0, *size, hash_of(data));
        }
        slot.bytes.add(*size);
    }
    if (!save_config(slot)) return;
    const auto& config = outgoing_[slot.id.value].config;
    if (agreed_verify_) {
        slot.digest.fold(TransferDigest::kMainChannelIdx, TransferDigest::kConfigFlag,
                         config.size(), hash_of(config));
    }
    slot.bytes.add(config.size());
    slot.ended = true;
}

}  // namespace multifd
