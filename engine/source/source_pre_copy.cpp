// The source while the devices run: setup, rounds of pre-copy, and when to stop.
#include <algorithm>

#include "engine/source/source_session.hpp"

namespace multifd {
namespace {

// How long to wait for new dirt when a round found none; a small part of any downtime limit.
constexpr auto kDirtWait = std::chrono::milliseconds(5);
// Of a PART section, around its data: type, id, tokens, length, footer.
constexpr std::uint64_t kSectionOverheadBytes = 34;

}  // namespace

/// The host's sections, written down the main channel while the main thread waits for the host.
class SourceSession::Sections final : public SectionWriter {
  public:
    Sections(SourceSession& session, SendPacer& pacer) : session_(session), pacer_(pacer) {}

    CallResult write(std::string_view name, std::span<const std::byte> bytes) override {
        if (session_.failed()) {
            return CallResult::failure(std::errc::operation_canceled, "the migration has ended");
        }
        if (session_.qemu_) {
            return CallResult::failure(std::errc::not_supported,
                                       "a QEMU peer takes no host sections");
        }
        if (name.empty() || name.size() > limits::kIdstrBytesMax ||
            name.find('\0') != std::string_view::npos) {
            return CallResult::failure(std::errc::invalid_argument,
                                       "a section's name has 1 to 255 bytes and no NUL");
        }
        if (bytes.size() > limits::kHostSectionBytesMax) {
            return CallResult::failure(std::errc::message_size, "a section holds at most 1 MiB");
        }
        const auto is_device = [&](const auto& slot) { return slot->identity.idstr == name; };
        if (std::ranges::any_of(session_.devices_, is_device)) {
            return CallResult::failure(std::errc::invalid_argument,
                                       "'" + std::string(name) + "' is the name of a device");
        }
        return send(name, bytes);
    }

  private:
    CallResult send(std::string_view name, std::span<const std::byte> bytes) {
        const auto pause = session_.pause_host_call();
        auto& writer = *session_.writer_;
        // One id serves all: FULL sections are complete in themselves.
        const auto id = static_cast<std::uint32_t>(session_.devices_.size() + 1);
        writer.section_begins();
        writer.records().section_begin(SectionType::full, id, name, /*instance_id=*/0);
        writer.records().data_begin(bytes.size());
        auto error = session_.send_data(bytes, pacer_);
        if (!error) {
            writer.records().mark(DeviceMark::end_of_state);
            writer.records().section_end(id);
            error = writer.flush();
        }
        if (error) {
            session_.fail_main(error, "sending a host section");
            return CallResult::failure(std::error_code(error), "the main channel failed");
        }
        writer.section_ends();
        session_.host_bytes_.add(bytes.size());
        session_.progress_.fetch_add(1, std::memory_order_relaxed);
        return CallResult::success();
    }

    SourceSession& session_;
    SendPacer& pacer_;
};

// What was appended to the records and then `data`, in pieces where a rate is to be held.
ErrorCode SourceSession::send_data(std::span<const std::byte> data, SendPacer& pacer) {
    do {
        const auto piece = data.first(std::min(data.size(), pacer.piece_bytes()));
        if (!pacer.take(piece.size())) return Errc::cancelled;
        if (const auto error = writer_->flush_with(piece)) return error;
        data = data.subspan(piece.size());
    } while (!data.empty());
    return {};
}

bool SourceSession::save_host(SavePoint point) {
    return ask_host("save", [this, point](Host& host, std::stop_token cancel) {
        Sections sections(*this,
                          point == SavePoint::complete ? switchover_pacer_ : pre_copy_pacer_);
        return host.save(point, sections, cancel);
    });
}

bool SourceSession::set_up_devices() {
    pre_copy_pacer_.set_rate(settings_.max_bandwidth);
    if (!send_start_sections()) return false;
    const auto pre_copies = [](const DeviceSlot& slot) { return slot.pre_copies; };
    const bool set_up = run_jobs(pre_copies, [this](DeviceSlot& slot) {
        if (set_state(slot, DeviceState::pre_copy)) outgoing_[slot.id.value].dry = false;
    });
    if (!set_up || !save_host(SavePoint::setup)) return false;
    set_up_ = Clock::now();
    set_status(Status::active);
    return !failed();
}

bool SourceSession::send_start_sections() {
    for (const auto& slot : devices_) {
        auto& outgoing = outgoing_[slot->id.value];
        outgoing.section_id = slot->id.value + 1;
        // A QEMU destination hears INIT_DATA_SENT only of devices with pre-copy, a multifd one of
        // all.
        // One that may be read by a device of interface version 1 has no such token.
        const bool told = qemu_ && (!slot->pre_copies || slot->traits.chunked);
        outgoing.initial_sent = !switchover_ack_ || told;
        outgoing.dry = true;
        auto& records = writer_->records();
        records.section_begin(SectionType::start, outgoing.section_id, slot->identity.idstr,
                              slot->identity.instance_id);
        records.mark(DeviceMark::setup);
        records.mark(DeviceMark::end_of_state);
        records.section_end(outgoing.section_id);
    }
    const auto error = writer_->flush();
    return error ? fail_main(error, "sending the setup sections") : true;
}

bool SourceSession::iterate_pre_copy() {
    pre_copy_began_ = Clock::now();
    do {
        if (!pre_copy_round() || !save_host(SavePoint::iterate)) return false;
    } while (!may_switch() && await_dirt());
    return !failed();
}

// Devices whose data takes the channels read at the same time, each on its own thread; those of the
// main channel take turns on it meanwhile. All have come to an end before what is left is counted.
bool SourceSession::pre_copy_round() {
    start_channel_rounds();
    bool dry = false;
    do {
        dry = true;
        for (auto& slot : devices_) {
            const auto& outgoing = outgoing_[slot->id.value];
            const bool pre_copies = slot->seen_state == DeviceState::pre_copy;
            if (slot->pre_copy_on_channels || (!pre_copies && outgoing.initial_sent)) continue;
            if (!run_job(*slot, [this, slot = slot.get()] { pre_copy_device(*slot); }))
                return false;
            dry = dry && outgoing.dry;
        }
    } while (!dry && !channel_rounds_end());
    for (auto& slot : devices_) {
        if (slot->pre_copy_on_channels && !await_job(*slot)) return false;
    }
    return tell_initial_data();
}

// One PART section: what one read gives, and INIT_DATA_SENT once the initial data is through.
bool SourceSession::pre_copy_device(DeviceSlot& slot) {
    auto& outgoing = outgoing_[slot.id.value];
    // Held to a rate, sections are small: nothing is long on its way.
    const auto whole = main_buffer_->at(0);
    const auto piece = slot.traits.chunked ? whole.size() : pre_copy_pacer_.piece_bytes();
    const auto buffer = whole.first(std::min(whole.size(), piece));
    std::size_t size = 0;
    if (slot.seen_state == DeviceState::pre_copy) {
        const auto read = read_some(slot, buffer);
        if (!read || !measure_left(slot)) return false;
        size = *read;
    }
    const bool tell_initial = !outgoing.initial_sent && outgoing.pre_copy.initial_bytes == 0;
    outgoing.dry = size == 0;
    if (size == 0 && !tell_initial) return true;
    if (!pre_copy_pacer_.take(size + kSectionOverheadBytes)) return false;

    auto& records = writer_->records();
    const auto data = buffer.first(size);
    writer_->section_begins();
    records.section_begin(SectionType::part, outgoing.section_id, slot.identity.idstr,
                          slot.identity.instance_id);
    if (size != 0) records.data_begin(size);
    auto error = writer_->flush_with(data);
    if (!error) {
        records.mark(tell_initial ? DeviceMark::init_data_sent : DeviceMark::end_of_state);
        records.section_end(outgoing.section_id);
        error = writer_->flush();
    }
    if (error) return fail_main(error, "sending pre-copy data");
    writer_->section_ends();
    outgoing.initial_sent = outgoing.initial_sent || tell_initial;
    if (size != 0 && agreed_verify_) {
        slot.digest.fold(TransferDigest::kMainChannelIdx, 0, size, hash_of(data));
    }
    slot.pre_copy_bytes.add(size);
    progress_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

// What the device would still give, while it runs and when it stops.
bool SourceSession::measure_left(DeviceSlot& slot) {
    auto& sizes = outgoing_[slot.id.value].pre_copy;
    auto& device = *slot.entry.device;
    const auto left =
        slot.worker.call("pre_copy_sizes", [&] { return device.pre_copy_sizes(sizes); });
    if (!left.ok()) return fail_call(slot, "pre_copy_sizes", left), false;
    const auto stop = slot.worker.call("stop_copy_size", [&] { return device.stop_copy_size(); });
    if (!stop.ok()) return fail_call(slot, "stop_copy_size", stop), false;
    slot.expected_bytes = stop.result.value;
    return true;
}

bool SourceSession::await_dirt() {
    if (failed()) return false;
    if (!std::ranges::all_of(outgoing_, &Outgoing::dry)) return true;
    const auto began = Clock::now();
    const auto acknowledged = [this](const ReturnPathMail& mail) {
        return switchover_ack_ && mail.switchover_ack;
    };
    inbox_.wait(acknowledged, began + kDirtWait, [this] { return failed(); });
    // A destination that still loads is not idle, and what it loads counts for the rate.
    if (unloaded_bytes_ == 0) pre_copy_idle_ += Clock::now() - began;
    const auto mail = inbox_.mail();
    if (mail.ended || mail.refused) {
        return await_mail([](const ReturnPathMail&) { return false; }, Clock::now(),
                          "the acknowledgement");
    }
    return !failed();
}

}  // namespace multifd
