#include "engine/session/control_thread.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "channels/transport/quiet_thread.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

constexpr std::size_t kInboxBytes = 4 + limits::kCommandBytesMax;
// A peer that does not read its control connection must not make us remember everything we say.
constexpr std::size_t kOutboxBytesMax = 1 * limits::kMiB;

ErrorCode last_error() noexcept {
    return {errno, boost::system::system_category()};
}

}  // namespace

ControlThread::ControlThread(ControlEvents& events, Clock::duration tick)
    : events_(events), tick_(tick), wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (wake_fd_ < 0) throw std::system_error(errno, std::system_category(), "eventfd");
    control_inbox_.bytes.resize(kInboxBytes);
    return_inbox_.bytes.resize(kInboxBytes);
}

void ControlThread::start() {
    next_tick_ = last_heard_ = Clock::now();
    thread_ = start_quiet_thread("multifd-control", [this] { run(); });
}

ControlThread::~ControlThread() {
    stop();
    ::close(wake_fd_);
}

void ControlThread::watch_return_path(const Connection& main_channel) {
    {
        const std::scoped_lock lock(mutex_);
        return_path_fd_ = main_channel.fd();
    }
    wake();
}

void ControlThread::attach(Connection control) {
    {
        const std::scoped_lock lock(mutex_);
        control_.emplace(std::move(control));
        last_heard_ = Clock::now();
    }
    wake();
}

void ControlThread::send(ControlType type, std::span<const std::byte> body) {
    {
        const std::scoped_lock lock(mutex_);
        if (!control_ || control_ended_ || outbox_.size() > kOutboxBytesMax) return;
        append_message(outbox_, static_cast<std::uint16_t>(type), body);
    }
    wake();
}

void ControlThread::flush(Deadline deadline) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, [&] {
        return outbox_.empty() || control_ended_ || !control_ || stopping_;
    });
}

void ControlThread::await_last_word(Deadline deadline) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, [&] {
        return ((control_ended_ || !control_) && return_path_fd_ < 0) || stopping_;
    });
}

std::optional<Clock::time_point> ControlThread::last_heard() const {
    const std::scoped_lock lock(mutex_);
    if (!control_) return std::nullopt;
    return last_heard_;
}

void ControlThread::stop() noexcept {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    wake();
    if (thread_.joinable()) thread_.join();
    const std::scoped_lock lock(mutex_);
    control_.reset();
}

void ControlThread::wake() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
}

void ControlThread::run() noexcept {
    for (;;) {
        {
            const std::scoped_lock lock(mutex_);
            if (stopping_) return;
        }
        try {
            // What has arrived is read before the tick judges who is silent.
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(next_tick_ - Clock::now());
            turn(std::max(left, std::chrono::milliseconds(0)));
            const auto now = Clock::now();
            if (now < next_tick_) continue;
            next_tick_ = now + tick_;
            events_.on_tick(now);
            const auto beat = encode(events_.heartbeat());
            send(ControlType::heartbeat, beat);
            write_outbox();
        } catch (...) {
            events_.on_control_fault(std::current_exception());
        }
    }
}

void ControlThread::turn(std::chrono::milliseconds wait) {
    std::array<pollfd, 3> watched{{{wake_fd_, POLLIN, 0}, {-1, POLLIN, 0}, {-1, POLLIN, 0}}};
    {
        const std::scoped_lock lock(mutex_);
        if (control_ && !control_ended_) {
            watched[1].fd = control_->fd();
            control_inbox_.open = true;
            if (!outbox_.empty()) watched[1].events |= POLLOUT;
        }
        watched[2].fd = return_path_fd_;
        return_inbox_.open = return_path_fd_ >= 0;
    }
    if (::poll(watched.data(), watched.size(), static_cast<int>(wait.count())) <= 0) return;
    if (watched[0].revents != 0) {
        std::uint64_t count = 0;
        [[maybe_unused]] const auto read = ::read(wake_fd_, &count, sizeof count);
    }
    if (watched[2].revents != 0) receive(return_inbox_, watched[2].fd, /*control=*/false);
    if ((watched[1].revents & ~POLLOUT) != 0)
        receive(control_inbox_, watched[1].fd, /*control=*/true);
    write_outbox();
}

void ControlThread::receive(Inbox& inbox, int fd, bool control) {
    const auto count = ::recv(fd, inbox.bytes.data() + inbox.filled,
                              inbox.bytes.size() - inbox.filled, MSG_DONTWAIT);
    if (count < 0) {
        if (errno != EAGAIN && errno != EINTR) end(inbox, control, last_error());
        return;
    }
    if (count == 0) {
        const bool inside = inbox.filled != 0;
        end(inbox, control, inside ? ErrorCode(Errc::stream_truncated) : ErrorCode());
        return;
    }
    inbox.filled += static_cast<std::size_t>(count);
    if (control) {
        const std::scoped_lock lock(mutex_);
        last_heard_ = Clock::now();
    }
    take_messages(inbox, control);
}

void ControlThread::take_messages(Inbox& inbox, bool control) {
    std::size_t begin = 0;
    while (inbox.open) {
        const auto visible =
            std::span<const std::byte>(inbox.bytes).subspan(begin, inbox.filled - begin);
        const auto parsed = control ? parse_control(visible) : parse_return_path(visible);
        if (!parsed) {
            end(inbox, control, parsed.error());
            return;
        }
        if (!parsed->message) break;
        begin += parsed->consumed;
        ErrorCode wrong;
        try {
            wrong = control ? dispatch_control(*parsed->message) : ErrorCode();
            if (!control) events_.on_return_path(*parsed->message);
        } catch (...) {  // Told once: the message is behind us, what follows it is not lost.
            events_.on_control_fault(std::current_exception());
        }
        if (wrong) {
            end(inbox, control, wrong);
            return;
        }
    }
    std::memmove(inbox.bytes.data(), inbox.bytes.data() + begin, inbox.filled - begin);
    inbox.filled -= begin;
}

ErrorCode ControlThread::dispatch_control(const Message& message) {
    switch (static_cast<ControlType>(message.type)) {
        case ControlType::heartbeat: {
            const auto beat = decode_heartbeat(message.data);
            if (!beat) return beat.error();
            events_.on_heartbeat(*beat);
            break;
        }
        case ControlType::error: {
            const auto error = decode_peer_error(message.data);
            if (!error) return error.error();
            events_.on_peer_error(*error);
            break;
        }
        case ControlType::cancel_request:
            events_.on_cancel_request();
            break;
    }
    return {};
}

void ControlThread::end(Inbox& inbox, bool control, ErrorCode error) {
    inbox.open = false;
    if (control) {
        events_.on_control_ended(error);
    } else {
        events_.on_return_path_ended(error);
    }
    const std::scoped_lock lock(mutex_);
    if (control) {
        control_ended_ = true;
    } else {
        return_path_fd_ = -1;
    }
    changed_.notify_all();
}

void ControlThread::write_outbox() {
    const std::scoped_lock lock(mutex_);
    if (!control_ || control_ended_ || outbox_.empty()) return;
    const auto count =
        ::send(control_->fd(), outbox_.data(), outbox_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) outbox_.erase(outbox_.begin(), outbox_.begin() + count);
    // A failed write shows itself to the reader too, which ends the connection.
    if (count < 0 && errno != EAGAIN && errno != EINTR) outbox_.clear();
    if (outbox_.empty()) changed_.notify_all();
}

}  // namespace multifd
