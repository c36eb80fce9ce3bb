#include "engine/main_channel/return_path_inbox.hpp"

#include <algorithm>
#include <utility>

#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

// More than any destination has reason to send; what comes beyond is a peer gone mad.
constexpr std::size_t kPongsMax = 64;

// An empty body says that there is nothing to tell.
Result<PeerError> decode_optional_error(std::span<const std::byte> body) {
    if (body.empty()) return PeerError{};
    return decode_peer_error(body);
}

}  // namespace

bool ReturnPathMail::ponged(std::uint32_t value) const {
    return std::ranges::find(pongs, value) != pongs.end();
}

void ReturnPathInbox::expect_transfer_report() {
    const std::scoped_lock lock(mutex_);
    transfer_report_expected_ = true;
}

void ReturnPathInbox::take(const Message& message) {
    {
        const std::scoped_lock lock(mutex_);
        // A peer that has said what makes no sense is not believed the rest.
        if (mail_.ended) return;
        if (const auto error = store(message, mail_)) {
            mail_.ended = true;
            mail_.error = error;
        }
    }
    changed_.notify_all();
}

ErrorCode ReturnPathInbox::store(const Message& message, ReturnPathMail& mail) {
    switch (static_cast<ReturnPathType>(message.type)) {
        case ReturnPathType::shut: {
            const auto code = decode_u32(message.data);
            if (!code) return code.error();
            mail.shut = *code;
            return {};
        }
        case ReturnPathType::pong: {
            const auto value = decode_u32(message.data);
            if (!value) return value.error();
            if (mail.pongs.size() >= kPongsMax) return Errc::message_malformed;
            mail.pongs.push_back(*value);
            return {};
        }
        case ReturnPathType::hello: {
            if (mail.hello) return Errc::hello_unexpected;
            auto hello = decode_hello(message.data);
            if (!hello) return hello.error();
            mail.hello = std::move(*hello);
            return {};
        }
        case ReturnPathType::loaded: {
            const auto table = decode_verify(message.data);
            if (!table) return table.error();
            const auto size = mail.loaded_table.size() + table->entries.size();
            if (mail.loaded || size > limits::kDevicesMax) return Errc::message_malformed;
            mail.loaded_table.insert(mail.loaded_table.end(), table->entries.begin(),
                                     table->entries.end());
            mail.loaded = !table->more;
            return {};
        }
        case ReturnPathType::pre_copy_status:
            return store_pre_copy_status(message, mail);
        case ReturnPathType::transfer_report:
            return store_transfer_report(message, mail);
        case ReturnPathType::running: {
            auto problem = decode_optional_error(message.data);
            if (!problem) return problem.error();
            mail.running = true;
            if (!message.data.empty()) mail.running_problem = std::move(*problem);
            return {};
        }
        case ReturnPathType::refused: {
            auto reason = decode_optional_error(message.data);
            if (!reason) return reason.error();
            mail.refused = std::move(*reason);
            return {};
        }
        case ReturnPathType::ready:
            mail.ready = true;
            return {};
        case ReturnPathType::switchover_ack:
            mail.switchover_ack = true;
            return {};
    }
    return Errc::return_path_type_unknown;
}

// A table becomes visible with its last part.
ErrorCode ReturnPathInbox::store_pre_copy_status(const Message& message, ReturnPathMail& mail) {
    const auto table = decode_pre_copy_status(message.data);
    if (!table) return table.error();
    if (unfinished_status_.size() + table->entries.size() > limits::kDevicesMax) {
        return Errc::message_malformed;
    }
    unfinished_status_.insert(unfinished_status_.end(), table->entries.begin(),
                              table->entries.end());
    if (table->more) return {};
    mail.pre_copy_status = std::exchange(unfinished_status_, {});
    ++mail.pre_copy_answers;
    return {};
}

ErrorCode ReturnPathInbox::store_transfer_report(const Message& message,
                                                 ReturnPathMail& mail) const {
    if (!transfer_report_expected_) return Errc::return_path_type_unknown;
    if (mail.transfer_report || mail.loaded) return Errc::message_malformed;
    const auto report = decode_transfer_report(message.data);
    if (!report) return report.error();
    mail.transfer_report = *report;
    return {};
}

void ReturnPathInbox::end(ErrorCode error) {
    {
        const std::scoped_lock lock(mutex_);
        if (!mail_.ended) mail_.error = error;
        mail_.ended = true;
    }
    changed_.notify_all();
}

void ReturnPathInbox::wake() {
    { const std::scoped_lock lock(mutex_); }
    changed_.notify_all();
}

bool ReturnPathInbox::wait(const Predicate& arrived, Deadline deadline,
                           const std::function<bool()>& give_up) {
    std::unique_lock lock(mutex_);
    const auto over = [&] { return arrived(mail_) || mail_.ended || give_up(); };
    if (deadline == kNoDeadline) {
        changed_.wait(lock, over);
    } else {
        changed_.wait_until(lock, deadline, over);
    }
    return arrived(mail_);
}

void ReturnPathInbox::wait_for_will(const std::function<bool()>& will) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, will);
}

ReturnPathMail ReturnPathInbox::mail() const {
    const std::scoped_lock lock(mutex_);
    return mail_;
}

}  // namespace multifd
