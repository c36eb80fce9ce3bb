// The source while the devices run, for those whose pre-copy data takes the channels.
#include <algorithm>

#include "engine/source/source_session.hpp"

namespace multifd {
namespace {

// How long the devices read on their own before what is left is counted together: short against any
// downtime limit, long against the time it takes to bring them together.
constexpr auto kRoundTime = std::chrono::milliseconds(50);

// What a device keeps of its packet numbers for the time after its stop, beside one for each packet
// that its state needs by its own estimate: for what is written meanwhile, for packets that are not
// full, and for the config state.
constexpr std::uint64_t kNumbersKept = 4096;
constexpr std::uint64_t kEstimateMargin = 8;  // One in so many more than estimated.

}  // namespace

void SourceSession::start_channel_rounds() {
    const auto until = Clock::now() + kRoundTime;
    for (auto& slot : devices_) {
        if (!slot->pre_copy_on_channels || failed()) continue;
        slot->worker.start([self = shared_from_this(), this, slot = slot.get(), until] {
            try {
                pre_copy_to_channels(*slot, until);
            } catch (...) {
                auto failure = failure_of(std::current_exception());
                failure.device = slot->identity;
                fail(std::move(failure));
            }
        });
    }
}

bool SourceSession::channel_rounds_end() const {
    return std::ranges::all_of(devices_, [](const auto& slot) {
        return !slot->pre_copy_on_channels || slot->worker.idle();
    });
}

// One round of one device, on its thread: until the time is up or the device has nothing for now.
void SourceSession::pre_copy_to_channels(DeviceSlot& slot, Clock::time_point until) {
    std::uint64_t given = 0;
    bool more = true;
    while (more && Clock::now() < until && !numbers_run_out(slot)) {
        auto buffer = pool_->acquire();
        if (!buffer) return;
        OutboundPacket packet;
        packet.pre_copy = true;
        packet.buffer = std::move(*buffer);
        const auto target = packet.buffer.bytes().first(packet_bytes_);
        const auto size = fill_for_now(slot, target, until);
        if (!size) return;
        more = *size == target.size();
        if (*size == 0) break;
        packet.data = target.first(*size);
        given += *size;
        if (!submit(slot, std::move(packet))) return;
    }
    outgoing_[slot.id.value].dry = given == 0;
    measure_left(slot);
}

// As fill(), but a device that runs may give little by little for ever.
std::optional<std::size_t> SourceSession::fill_for_now(DeviceSlot& slot,
                                                       std::span<std::byte> target,
                                                       Clock::time_point until) {
    std::size_t filled = 0;
    while (filled < target.size()) {
        const auto read = read_some(slot, target.subspan(filled));
        if (!read) return std::nullopt;
        filled += *read;
        if (*read == 0 || Clock::now() >= until) break;
    }
    return filled;
}

// The mark of a device whose initial data has left: it says up to which idx it has to be loaded.
bool SourceSession::tell_initial_data() {
    for (const auto& slot : devices_) {
        auto& outgoing = outgoing_[slot->id.value];
        if (!slot->pre_copy_on_channels || outgoing.initial_sent) continue;
        if (outgoing.pre_copy.initial_bytes != 0) continue;
        auto& records = writer_->records();
        records.section_begin(SectionType::part, outgoing.section_id, slot->identity.idstr,
                              slot->identity.instance_id);
        records.init_data_below(slot->idx);
        records.section_end(outgoing.section_id);
        if (const auto error = writer_->flush()) return fail_main(error, "sending pre-copy data");
        outgoing.initial_sent = true;
    }
    return !failed();
}

// An idx is never used twice in a session. Before what a device gives when it stops could lack
// numbers, its pre-copy ends.
bool SourceSession::numbers_run_out(const DeviceSlot& slot) const {
    const std::uint64_t packets = slot.expected_bytes / packet_bytes_;
    const std::uint64_t kept = packets + packets / kEstimateMargin + kNumbersKept;
    return slot.idx + kept >= limits::kIdxReserved;
}

}  // namespace multifd
