// The source while the devices run: setup, rounds of pre-copy, and when to stop.
#include <algorithm>
#include <atomic>
#include <memory>

#include "engine/convergence.hpp"
#include "engine/source_session.hpp"

namespace multifd {
namespace {

// How long to wait for new dirt when a round found none; a small part of any downtime limit.
constexpr auto kDirtWait = std::chrono::milliseconds(5);
// Of a PART section, around its data: type, id, tokens, length, footer.
constexpr std::uint64_t kSectionOverheadBytes = 34;

std::string mib_text(std::uint64_t bytes) {
    return std::to_string((bytes + limits::kMiB - 1) / limits::kMiB) + " MiB";
}

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
    const auto pre_copies = [](const DeviceSlot& slot) {
        return slot.traits.pre_copy && slot.running;
    };
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
        const bool pre_copies = slot->traits.pre_copy && slot->running;
        outgoing.initial_sent = !switchover_ack_ || (qemu_ && !pre_copies);
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

bool SourceSession::pre_copy_round() {
    for (auto& slot : devices_) {
        const auto& outgoing = outgoing_[slot->id.value];
        const bool pre_copies = slot->seen_state == DeviceState::pre_copy;
        if (!pre_copies && outgoing.initial_sent) continue;
        if (!run_job(*slot, [this, slot = slot.get()] { pre_copy_device(*slot); })) return false;
    }
    return !failed();
}

// One PART section: what one read gives, and INIT_DATA_SENT once the initial data is through.
bool SourceSession::pre_copy_device(DeviceSlot& slot) {
    auto& outgoing = outgoing_[slot.id.value];
    auto& device = *slot.entry.device;
    // Held to a rate, sections are small: nothing is long on its way.
    const auto whole = main_buffer_->at(0);
    const auto buffer = whole.first(std::min(whole.size(), pre_copy_pacer_.piece_bytes()));
    std::size_t size = 0;
    if (slot.seen_state == DeviceState::pre_copy) {
        const auto read = slot.worker.call("read", [&] { return device.read(buffer); });
        if (!read.ok()) return fail_call(slot, "read", read), false;
        size = static_cast<std::size_t>(read.result.value);
        if (size > buffer.size()) return fail_over_long_read(slot);
        const auto left = slot.worker.call(
            "pre_copy_sizes", [&] { return device.pre_copy_sizes(outgoing.pre_copy); });
        if (!left.ok()) return fail_call(slot, "pre_copy_sizes", left), false;
        const auto stop =
            slot.worker.call("stop_copy_size", [&] { return device.stop_copy_size(); });
        if (!stop.ok()) return fail_call(slot, "stop_copy_size", stop), false;
        slot.expected_bytes = stop.result.value;
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

bool SourceSession::may_switch() {
    PreCopyOutlook outlook;
    outlook.downtime_limit = settings_.downtime_limit;
    std::uint64_t sent = host_bytes_.value();
    bool all_initial_sent = true;
    for (const auto& slot : devices_) {
        const auto& outgoing = outgoing_[slot->id.value];
        outlook.left_bytes += slot->expected_bytes;
        outlook.reducible_bytes += outgoing.pre_copy.initial_bytes + outgoing.pre_copy.dirty_bytes;
        all_initial_sent = all_initial_sent && outgoing.initial_sent;
        sent += slot->pre_copy_bytes.value();
    }
    if (host_ != nullptr) {
        // Shared, because a host that never returns would write to it later.
        const auto answer = std::make_shared<std::atomic<std::uint64_t>>(0);
        ask_host("pending_bytes", [answer](Host& host, std::stop_token) {
            answer->store(host.pending_bytes());
            return CallResult::success();
        });
        const std::uint64_t pending = answer->load();
        outlook.left_bytes += pending;
        outlook.reducible_bytes += pending;
    }
    outlook.initial_data_sent = all_initial_sent;
    outlook.acknowledged = !switchover_ack_ || inbox_.mail().switchover_ack ||
                           (qemu_ && std::ranges::none_of(devices_, [](const auto& slot) {
                                return slot->seen_state == DeviceState::pre_copy;
                            }));
    const std::chrono::duration<double> time = Clock::now() - pre_copy_began_ - pre_copy_idle_;
    if (time.count() > 0) outlook.bytes_per_second = static_cast<double>(sent) / time.count();
    if (failed() || !may_switch_over(outlook)) return false;
    if (sent != 0) {
        const auto rate = static_cast<std::uint64_t>(outlook.bytes_per_second);
        log(LogLevel::info, "switching over with " + mib_text(outlook.left_bytes) + " left at " +
                                mib_text(rate) + "/s");
    }
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
    pre_copy_idle_ += Clock::now() - began;
    const auto mail = inbox_.mail();
    if (mail.ended || mail.refused) {
        return await_mail([](const ReturnPathMail&) { return false; }, Clock::now(),
                          "the acknowledgement");
    }
    return !failed();
}

}  // namespace multifd
