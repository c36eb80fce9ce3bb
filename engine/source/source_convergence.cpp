// The source between two rounds of pre-copy: whether another one helps.
#include <algorithm>
#include <atomic>
#include <memory>

#include "engine/source/source_session.hpp"
#include "engine/text/quantity.hpp"

namespace multifd {

bool SourceSession::may_switch() {
    auto outlook = look_ahead();
    if (failed()) return false;
    const auto exhausted = std::ranges::find_if(devices_, [this](const auto& slot) {
        return slot->pre_copy_on_channels && numbers_run_out(*slot);
    });
    if (exhausted != devices_.end()) {
        outlook_ = outlook;
        return may_switch_early(outlook, **exhausted);
    }
    // What has been sent is not yet loaded. The answer costs a round trip, so it is asked for only
    // when it decides, or when there is nothing else to do.
    const bool news = std::ranges::all_of(outgoing_, &Outgoing::dry) &&
                      (unloaded_bytes_ != 0 || sent_when_asked_ != sent_bytes());
    if (pre_copy_on_channels_ && (news || may_switch_over(outlook))) {
        if (!ask_what_is_loaded() || !count_unloaded(outlook)) return false;
    }
    if (!may_switch_over(outlook)) return false;
    outlook_ = outlook;
    return true;
}

PreCopyOutlook SourceSession::look_ahead() {
    PreCopyOutlook outlook;
    outlook.downtime_limit = settings_.downtime_limit;
    for (const auto& slot : devices_) {
        const auto& outgoing = outgoing_[slot->id.value];
        const auto reducible = outgoing.pre_copy.initial_bytes + outgoing.pre_copy.dirty_bytes;
        // A device that cannot tell its size has left at least this.
        outlook.left_bytes += std::max(slot->expected_bytes.load(), reducible);
        outlook.reducible_bytes += reducible;
        outlook.initial_data_sent = outlook.initial_data_sent && outgoing.initial_sent;
    }
    const std::uint64_t pending = host_pending_bytes();
    outlook.left_bytes += pending;
    outlook.reducible_bytes += pending;
    outlook.acknowledged =
        !switchover_ack_ || inbox_.mail().switchover_ack ||
        (qemu_ && std::ranges::none_of(devices_, [](const auto& slot) {
             return slot->seen_state == DeviceState::pre_copy && !slot->traits.chunked;
         }));
    const std::chrono::duration<double> time = Clock::now() - pre_copy_began_ - pre_copy_idle_;
    if (time.count() > 0)
        outlook.bytes_per_second = static_cast<double>(sent_bytes()) / time.count();
    outlook.sent_bytes_per_second = link_rate(outlook.bytes_per_second);
    outlook.bytes_per_second = switchover_rate(outlook.bytes_per_second);
    return outlook;
}

std::uint64_t SourceSession::sent_bytes() const {
    std::uint64_t sent = host_bytes_.value();
    for (const auto& slot : devices_) sent += slot->pre_copy_bytes.value();
    return sent;
}

std::uint64_t SourceSession::host_pending_bytes() {
    if (host_ == nullptr) return 0;
    // Shared, because a host that never returns would write to it later.
    const auto answer = std::make_shared<std::atomic<std::uint64_t>>(0);
    ask_host("pending_bytes", [answer](Host& host, std::stop_token) {
        answer->store(host.pending_bytes());
        return CallResult::success();
    });
    return answer->load();
}

// Pre-copy ends with the packet numbers, whatever it has come to, unless it has not even begun to
// be of use to the destination.
bool SourceSession::may_switch_early(const PreCopyOutlook& outlook, const DeviceSlot& exhausted) {
    if (!outlook.initial_data_sent) {
        fail({.code = Errc::idx_exhausted,
              .detail = "its packet numbers end before its initial data; use a larger "
                        "--packet-size",
              .device = exhausted.identity,
              .idx = exhausted.idx.load(std::memory_order_relaxed)});
        return false;
    }
    if (!outlook.acknowledged) return false;
    log(LogLevel::warning, "switching over early, with " + format_whole_mib(outlook.left_bytes) +
                               " left: the packet numbers of " + to_string(exhausted.identity) +
                               " come to their end");
    return true;
}

bool SourceSession::ask_what_is_loaded() {
    writer_->records().command(kCommandPreCopyQuery);
    if (const auto error = writer_->flush()) return fail_main(error, "asking what is loaded");
    ++queries_;
    sent_when_asked_ = sent_bytes();
    const auto answered = [this](const ReturnPathMail& mail) {
        return mail.pre_copy_answers >= queries_;
    };
    // A destination that loads is waited for; one that does not is the watchdog's.
    return await_mail(answered, kNoDeadline, "what the destination has loaded");
}

// What was sent and is not loaded takes the destination its time after a switchover as well, and
// only what was loaded says how fast it is.
bool SourceSession::count_unloaded(PreCopyOutlook& outlook) {
    const auto mail = inbox_.mail();
    std::vector<bool> expected;
    for (const auto& slot : devices_) expected.push_back(slot->pre_copy_on_channels);
    unloaded_bytes_ = 0;
    for (const auto& entry : mail.pre_copy_status) {
        const bool known = entry.device < expected.size() && expected[entry.device];
        if (!known || entry.loaded_bytes > devices_[entry.device]->pre_copy_bytes.value()) {
            return fail_main(Errc::message_malformed, "reading what is loaded");
        }
        expected[entry.device] = false;
        const auto& slot = *devices_[entry.device];
        const auto& sizes = outgoing_[entry.device].pre_copy;
        const auto reducible = sizes.initial_bytes + sizes.dirty_bytes;
        const auto unloaded = slot.pre_copy_bytes.value() - entry.loaded_bytes;
        unloaded_bytes_ += unloaded;
        if (entry.write_us == 0) continue;
        outlook.devices.push_back(
            {.left_bytes = std::max(slot.expected_bytes.load(), reducible) + unloaded,
             .reducible_bytes = reducible + unloaded,
             .sent_bytes = unloaded,
             .bytes_per_second = static_cast<double>(entry.loaded_bytes) * 1e6 /
                                 static_cast<double>(entry.write_us),
             .device = entry.device});
    }
    if (std::ranges::find(expected, true) != expected.end()) {
        return fail_main(Errc::message_malformed, "reading what is loaded");
    }
    outlook.left_bytes += unloaded_bytes_;
    outlook.reducible_bytes += unloaded_bytes_;
    outlook.sent_bytes = unloaded_bytes_;
    if (settings_.avail_switchover_bandwidth != 0) return true;
    const auto sent = static_cast<double>(std::max<std::uint64_t>(sent_when_asked_, 1));
    outlook.bytes_per_second *= 1 - static_cast<double>(unloaded_bytes_) / sent;
    return true;
}

}  // namespace multifd
