// The destination reads the main channel: commands, the devices' sections, the host's sections.
#include <algorithm>

#include "engine/destination/destination_session.hpp"

namespace multifd {

SectionKind DestinationSession::kind_of(std::string_view idstr,
                                        std::uint32_t instance_id) const noexcept {
    if (directory_.find(idstr, instance_id)) return SectionKind::device;
    return qemu_ ? SectionKind::foreign : SectionKind::host;
}

bool DestinationSession::fail_stream(const ErrorCode& error) {
    if (error == Errc::cancelled && failed()) return false;
    const bool broken = error.category() != multifd_category();
    Failure failure{.code = broken ? ErrorCode(Errc::peer_closed) : error,
                    .detail = "the main channel from " + peer_ + ": " + error.message()};
    const auto& section = reader_->parser().section();
    if (!section.idstr.empty()) {
        failure.detail += ", at section '" + std::string(section.idstr) + "'";
        if (directory_.find(section.idstr, section.instance_id)) {
            failure.device = DeviceIdentity{std::string(section.idstr), section.instance_id};
        }
    }
    if (error == Errc::section_foreign) {
        failure.detail +=
            "; a guest's whole stream can be loaded by QEMU alone, take the other "
            "sections out";
    }
    fail(std::move(failure));
    return false;
}

bool DestinationSession::load_stream() {
    for (;;) {
        const auto event = reader_->next();
        if (!event) return fail_stream(event.error());
        // A source that waits for us asks again and again: that is nothing that moves.
        const auto* command = std::get_if<Command>(&*event);
        const bool asked = command != nullptr && command->id == kCommandPreCopyQuery;
        if (!asked) progress_.fetch_add(1, std::memory_order_relaxed);
        const auto taken = take(*event);
        if (!taken) return fail_stream(taken.error());
        if (failed()) return false;
        if (*taken == Stream::complete) return check_completeness();
    }
}

Result<DestinationSession::Stream> DestinationSession::take(const StreamEvent& event) {
    if (const auto* command = std::get_if<Command>(&event)) return take_command(*command);
    if (const auto* begin = std::get_if<SectionBegin>(&event)) return take_section(*begin);
    if (std::holds_alternative<StreamEof>(event)) {
        // QEMU's destination runs when it has read so far; what follows only describes the stream.
        return qemu_ ? Stream::complete : Stream::goes_on;
    }
    if (const auto* description = std::get_if<VmDescription>(&event)) {
        if (const auto skipped = reader_->skip_raw(description->bytes); !skipped)
            return skipped.error();
        return agreed_verify_ ? Stream::goes_on : Stream::complete;
    }
    return Stream::goes_on;
}

Result<DestinationSession::Stream> DestinationSession::take_command(const Command& command) {
    switch (command.id) {
        case kCommandOpenReturnPath:
            return_path_open_ = true;
            return Stream::goes_on;
        case kCommandPing:
            if (return_path_open_) (void)answer_ping(command);
            return Stream::goes_on;
        case kCommandSwitchoverStart:
            if (pre_copy_on_channels_) return ErrorCode(Errc::command_unexpected);
            if (const auto begun = begin_switchover(); !begun) return begun.error();
            return Stream::goes_on;
        case kCommandSwitchoverAt:
            if (const auto begun = begin_switchover_at(command); !begun) return begun.error();
            return Stream::goes_on;
        case kCommandPreCopyQuery:
            if (const auto answered = answer_pre_copy_query(); !answered) return answered.error();
            return Stream::goes_on;
        case kCommandVerify: {
            const auto table = decode_verify(command.data);
            if (!table) return table.error();
            if (source_table_.size() + table->entries.size() > limits::kDevicesMax) {
                return ErrorCode(Errc::message_malformed);
            }
            source_table_.insert(source_table_.end(), table->entries.begin(), table->entries.end());
            source_table_complete_ = !table->more;
            return source_table_complete_ ? Stream::complete : Stream::goes_on;
        }
        case kCommandAbort:
            fail(failure_of_abort(command.data));
            return Stream::goes_on;
        default:
            return ErrorCode(Errc::command_unexpected);
    }
}

// A load thread per device whose way is known. Of `auto` devices a QEMU peer shows it in their END
// section, which does not wait for the channels.
Result<> DestinationSession::begin_switchover() {
    switchover_ = Clock::now();
    mark_transfer_began();
    set_status(Status::device);
    switched_over_ = true;
    for (const auto& channel : receivers_->counters()) {
        receiving_before_.emplace_back(channel.moving.us());
    }
    for (auto& slot : devices_) {
        const bool shown_later = qemu_ && slot->entry.multifd == MultifdProperty::automatic;
        const bool started = incoming_[slot->id.value].load_thread_started;
        if (slot->multifd && !shown_later && !started) start_load_thread(*slot);
    }
    return {};
}

void DestinationSession::start_load_thread(DeviceSlot& slot) {
    if (failed()) return;
    incoming_[slot.id.value].load_thread_started = true;
    slot.worker.start([self = shared_from_this(), this, &slot] {
        try {
            load_from_channels(slot);
        } catch (...) {
            auto failure = failure_of(std::current_exception());
            failure.device = slot.identity;
            fail(std::move(failure));
        }
    });
}

Result<DestinationSession::Stream> DestinationSession::take_section(const SectionBegin& begin) {
    if (begin.kind == SectionKind::host) {
        if (const auto loaded = load_host_section(begin); !loaded) return loaded.error();
        return Stream::goes_on;
    }
    const auto id = directory_.find(begin.idstr, begin.instance_id);
    if (!id) return ErrorCode(Errc::device_unknown);
    auto& slot = *devices_[id->value];
    auto& incoming = incoming_[id->value];
    // Beside a load thread a device's sections are empty, and need no thread of the device.
    if (incoming.load_thread_started) {
        load_section(slot, begin);
    } else if (!run_job(slot, [this, &slot, begin] { load_section(slot, begin); })) {
        return ErrorCode(Errc::cancelled);
    }
    // Its packets may be here before its START, and wait for it as all do for the switchover.
    const bool pre_copy_begins = slot.pre_copy_on_channels && begin.type == SectionType::start;
    if (pre_copy_begins && !incoming.load_thread_started) start_load_thread(slot);
    const bool way_shown = slot.multifd && switched_over_ && begin.type == SectionType::end;
    if (way_shown && !incoming.load_thread_started && !incoming.by_main_channel) {
        start_load_thread(slot);
    }
    if (incoming.initial_end != Incoming::kNotSent) (void)acknowledge_initial_data();
    return Stream::goes_on;
}

void DestinationSession::load_section(DeviceSlot& slot, const SectionBegin& begin) {
    auto& incoming = incoming_[slot.id.value];
    for (;;) {
        const auto event = reader_->next();
        if (!event) {
            fail_stream(event.error());
            return;
        }
        if (std::holds_alternative<SectionEnd>(*event)) break;
        const auto loaded = load_record(slot, begin, *event);
        if (!loaded) {
            fail_stream(loaded.error());
            return;
        }
        if (failed()) return;
    }
    incoming.end_seen = incoming.end_seen || begin.type == SectionType::end;
    incoming.full_seen = incoming.full_seen || begin.type == SectionType::full;
}

Result<> DestinationSession::load_record(DeviceSlot& slot, const SectionBegin& begin,
                                         const StreamEvent& event) {
    if (const auto* data = std::get_if<DeviceData>(&event)) {
        return load_data(slot, begin, data->bytes);
    }
    if (const auto* config = std::get_if<ConfigState>(&event)) {
        return load_main_config(slot, config->bytes);
    }
    if (const auto* config = std::get_if<SizedConfig>(&event)) {
        const auto target = main_buffer_->at(0).first(config->bytes);
        if (const auto read = reader_->read_raw(target); !read) return read.error();
        return load_main_config(slot, target);
    }
    if (const auto* mark = std::get_if<DeviceMarkSeen>(&event)) {
        if (mark->mark == DeviceMark::init_data_sent) return note_initial_data(slot, 0, false);
    }
    if (const auto* initial = std::get_if<InitDataBelow>(&event)) {
        return note_initial_data(slot, initial->idx, true);
    }
    return {};
}

// State that comes in an END section means that this device does not use the channels.
Result<> DestinationSession::accept_main_state(DeviceSlot& slot) {
    auto& incoming = incoming_[slot.id.value];
    if (incoming.by_main_channel) return {};
    incoming.by_main_channel = true;
    if (!slot.multifd) return {};
    if (!incoming.load_thread_started && inbound_->exclude(slot.id)) {
        slot.multifd = false;
        return {};
    }
    fail({.code = Errc::multifd_disagree,
          .detail =
              "its state comes down the main channel, but here it uses the channels; give both "
              "ends the same multifd property",
          .device = slot.identity});
    return ErrorCode(Errc::cancelled);
}

Result<> DestinationSession::load_data(DeviceSlot& slot, const SectionBegin& begin,
                                       std::uint64_t bytes) {
    const bool pre_copy = begin.type == SectionType::part;
    // What takes the channels does not come here too: there would be no order between the two.
    const bool misplaced = switched_over_ || slot.pre_copy_on_channels;
    if (pre_copy && misplaced) return ErrorCode(Errc::device_token_unexpected);
    if (!pre_copy) {
        if (const auto accepted = accept_main_state(slot); !accepted) return accepted.error();
    }
    main_hash_->restart();
    auto& device = *slot.entry.device;
    const auto buffer = main_buffer_->at(0);
    if (slot.traits.chunked && bytes > buffer.size()) {
        fail({.code = Errc::device_failed,
              .detail = "a chunk of " + std::to_string(bytes) + " bytes came, and " +
                        std::to_string(buffer.size()) + " is the most that can stay whole",
              .device = slot.identity});
        return ErrorCode(Errc::cancelled);
    }
    for (std::uint64_t left = bytes; left > 0;) {
        const auto piece =
            buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size())));
        if (const auto read = reader_->read_raw(piece); !read) return read.error();
        if (agreed_verify_) main_hash_->add(piece);
        const auto time = (pre_copy ? slot.times.pre_copy : slot.times.data).measure();
        const auto written = slot.worker.call("write", [&] { return device.write(piece); });
        if (!written.ok()) {
            fail_call(slot, "write", written);
            return ErrorCode(Errc::cancelled);
        }
        left -= piece.size();
        (pre_copy ? slot.pre_copy_bytes : slot.bytes).add(piece.size());
        progress_.fetch_add(1, std::memory_order_relaxed);
    }
    if (agreed_verify_) {
        slot.digest.fold(TransferDigest::kMainChannelIdx, 0, bytes, main_hash_->value());
    }
    return {};
}

Result<> DestinationSession::load_main_config(DeviceSlot& slot, std::span<const std::byte> config) {
    if (const auto accepted = accept_main_state(slot); !accepted) return accepted.error();
    if (!load_config(slot, config, TransferDigest::kMainChannelIdx))
        return ErrorCode(Errc::cancelled);
    slot.ended = true;
    return {};
}

Result<> DestinationSession::load_host_section(const SectionBegin& begin) {
    const std::string name(begin.idstr);
    std::span<std::byte> content;
    for (;;) {
        const auto event = reader_->next();
        if (!event) return event.error();
        if (std::holds_alternative<SectionEnd>(*event)) break;
        const auto* data = std::get_if<DeviceData>(&*event);
        if (data == nullptr) continue;
        if (data->bytes > limits::kHostSectionBytesMax)
            return ErrorCode(Errc::host_section_too_large);
        content = main_buffer_->at(0).first(static_cast<std::size_t>(data->bytes));
        if (const auto read = reader_->read_raw(content); !read) return read.error();
    }
    if (host_ == nullptr) {
        fail({.code = Errc::host_failed,
              .detail = "section '" + name +
                        "' belongs to no device here, and there is no host to take it"});
        return ErrorCode(Errc::cancelled);
    }
    const bool loaded = ask_host("load", [name, content](Host& host, std::stop_token cancel) {
        return host.load(name, content, cancel);
    });
    if (!loaded) return ErrorCode(Errc::cancelled);
    return {};
}

// EOF says that the source has sent everything; what is missing now will not come.
bool DestinationSession::check_completeness() {
    for (const auto& slot : devices_) {
        const auto& incoming = incoming_[slot->id.value];
        const char* missing = nullptr;
        if (!incoming.end_seen) missing = "its END section";
        if (!incoming.full_seen) missing = "its FULL section";
        if (slot->multifd && !switched_over_) missing = "SWITCHOVER_START";
        if (!slot->multifd && !slot->ended) missing = "its config state";
        if (missing != nullptr && qemu_ && channels_ == 0 && !incoming.by_main_channel) {
            missing = "its state; if the source uses channels, give --multifd-channels here";
        }
        if (missing == nullptr) continue;
        fail({.code = Errc::stream_truncated,
              .detail = "the stream ended without " + std::string(missing),
              .device = slot->identity});
        return false;
    }
    Refusal gap;
    if (!inbound_->watch_for_gaps(gap)) {
        report_gap(gap);
        return false;
    }
    return true;
}

}  // namespace multifd
