// The load threads: each writes its device's packets in order, the config state last.
#include <algorithm>

#include "channels/wire/assert.hpp"
#include "channels/wire/device_state_packet.hpp"
#include "engine/destination/destination_session.hpp"

namespace multifd {

void DestinationSession::load_from_channels(DeviceSlot& slot) {
    while (!slot.ended) {
        const auto since = Clock::now();
        const auto delivery = inbound_->next(slot.id);
        if (!delivery) return;
        if (!delivery->claim.pre_copy) slot.times.wait.add(downtime_since(since));
        if (!load_packet(slot, *delivery)) return;
    }
}

// The time from `since` to now, as far as the source's devices were stopped.
Clock::duration DestinationSession::downtime_since(Clock::time_point since) const noexcept {
    const auto began = transfer_began_.load(std::memory_order_relaxed);
    if (began == 0) return Clock::duration(0);
    return Clock::now() - std::max(since, Clock::time_point(Clock::duration(began)));
}

bool DestinationSession::load_packet(DeviceSlot& slot, const Delivery& delivery) {
    const auto& claim = delivery.claim;
    slot.idx.store(claim.idx, std::memory_order_relaxed);
    auto& device = *slot.entry.device;
    const auto lent = incoming_[slot.id.value].lent;
    if (claim.config) {
        if (!load_config_packet(slot, inbound_->buffer(claim))) return false;
    } else {
        const auto time = (claim.pre_copy ? slot.times.pre_copy : slot.times.data).measure();
        const bool in_place = !lent.empty();
        const std::span<const std::byte> data =
            in_place ? lent.subspan(std::size_t{claim.idx} * packet_bytes_, claim.bytes)
                     : inbound_->buffer(claim);
        const auto written = slot.worker.call(
            "write", [&] { return in_place ? device.wrote_lent(data) : device.write(data); });
        if (!written.ok()) {
            fail_call(slot, "write", written);
            return false;
        }
        const auto flags = claim.pre_copy ? kStateFlagPreCopy : 0U;
        slot.digest.fold(claim.idx, flags, data.size(), delivery.hash);
        (claim.pre_copy ? slot.pre_copy_bytes : slot.bytes).add(data.size());
    }
    slot.packets.add(1);
    progress_.fetch_add(1, std::memory_order_relaxed);
    Refusal gap;
    const bool last = claim.config;
    if (last) slot.ended = true;
    if (!inbound_->loaded(slot.id, gap)) {
        report_gap(gap);
        return false;
    }
    const auto initial_end = incoming_[slot.id.value].initial_end.load(std::memory_order_relaxed);
    return claim.idx + 1 != initial_end || acknowledge_initial_data();
}

bool DestinationSession::load_config_packet(DeviceSlot& slot, std::span<const std::byte> data) {
    const auto config = unwrap_config(data);
    if (config) return load_config(slot, *config, slot.idx.load(std::memory_order_relaxed));
    fail({.code = config.error(),
          .detail = config.error().message(),
          .device = slot.identity,
          .idx = slot.idx.load(std::memory_order_relaxed)});
    return false;
}

bool DestinationSession::load_config(DeviceSlot& slot, std::span<const std::byte> config,
                                     std::uint32_t idx) {
    const auto time = slot.times.config.measure();
    auto& device = *slot.entry.device;
    const auto loaded = slot.worker.call("load_config", [&] { return device.load_config(config); });
    if (!loaded.ok()) {
        fail_call(slot, "load_config", loaded);
        return false;
    }
    if (agreed_verify_) {
        slot.digest.fold(idx, TransferDigest::kConfigFlag, config.size(), hash_of(config));
    }
    slot.bytes.add(config.size());
    return true;
}

void DestinationSession::report_gap(const Refusal& gap) {
    Failure failure{.code = gap.code, .detail = gap.code.message(), .idx = gap.idx};
    if (gap.device) failure.device = devices_[gap.device->value]->identity;
    fail(std::move(failure));
}

bool DestinationSession::await_load_threads() {
    for (auto& slot : devices_) {
        if (!slot->multifd) continue;
        if (!await_job(*slot)) return false;
        MULTIFD_ASSERT(slot->ended);  // A load thread ends with its config state or a failure.
    }
    // A packet too many can still stand unread behind the last one: a channel is through at its
    // end. QEMU keeps its channels open.
    if (!qemu_) receivers_->join();
    mark_transfer_ended();
    loaded_ = Clock::now();
    return !failed();
}

// RESUMING to STOP: here a device validates its state, and may reject it while the source can
// resume.
bool DestinationSession::validate_devices() {
    const auto all = [](const DeviceSlot&) { return true; };
    const bool valid = run_jobs(all, [this](DeviceSlot& slot) {
        auto& device = *slot.entry.device;
        auto outcome =
            slot.worker.call("set_state", [&] { return device.set_state(DeviceState::stop); });
        if (outcome.ok()) {
            slot.seen_state = DeviceState::stop;
            progress_.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        if (outcome.error == Errc::device_failed) outcome.error = Errc::device_rejected_state;
        fail_call(slot, "going to stop with the new state", outcome);
    });
    validated_ = Clock::now();
    return valid;
}

bool DestinationSession::compare_tables() {
    if (!agreed_verify_) return !failed();
    std::vector<bool> seen(source_order_.size());
    for (const auto& theirs : source_table_) {
        if (theirs.device >= source_order_.size() || seen[theirs.device]) {
            return fail_stream(Errc::message_malformed);
        }
        seen[theirs.device] = true;
        const auto& slot = *devices_[source_order_[theirs.device]];
        const auto ours = count(slot);
        if (!same_counts(ours, theirs)) {
            fail({.code = Errc::count_mismatch,
                  .detail = "loaded " + in_words(ours) + ", the source sent " + in_words(theirs),
                  .device = slot.identity});
            return false;
        }
        if (theirs.digest == slot.digest.value()) continue;
        fail({.code = Errc::digest_mismatch,
              .detail = "loaded " + digest_text(slot.digest.value()) + ", the source sent " +
                        digest_text(theirs.digest) + "; something on the way changed the bytes",
              .device = slot.identity});
        return false;
    }
    if (source_table_.size() == devices_.size()) return !failed();
    fail({.code = Errc::count_mismatch,
          .detail = "the source did not say what it sent of every device"});
    return false;
}

}  // namespace multifd
