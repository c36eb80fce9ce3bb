#include "channels/transport/connection_listener.hpp"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "channels/memory/guarded.hpp"
#include "channels/transport/connection_router.hpp"
#include "channels/transport/descriptor.hpp"
#include "channels/transport/listening_socket.hpp"
#include "channels/transport/newcomer.hpp"
#include "channels/transport/quiet_thread.hpp"
#include "channels/transport/readiness.hpp"
#include "channels/transport/refusal_digest.hpp"
#include "channels/transport/system_error.hpp"
#include "channels/wire/assert.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

/// Out of descriptors or memory: how soon accepting is tried again.
constexpr milliseconds kAcceptRetry{100};
/// Fewer than four bytes are there: looked at again after this, then after twice as long, and so
/// on.
constexpr milliseconds kPrefixRetryMin{1};
constexpr milliseconds kPrefixRetryMax{256};

}  // namespace

/// The listener's thread: accepts and reads, and hands what it knows to the router.
class ConnectionListener::Implementation {
  public:
    Implementation(const ConnectionListenerSettings& settings, ListenerLog log);
    ~Implementation();
    Implementation(const Implementation&) = delete;
    Implementation& operator=(const Implementation&) = delete;

    [[nodiscard]] std::vector<Address> local_addresses() const;
    void remove_file() const noexcept;
    /// Asks in the order in which a connection moves on, so that it is not missed between two.
    [[nodiscard]] bool has_newcomers() const {
        const auto is_due = [](const Entrance& entrance) { return entrance.listening.is_due(); };
        return std::ranges::any_of(entrances_, is_due) ||
               guest_count_.load(std::memory_order_relaxed) > 0 || router_->has_mains();
    }
    [[nodiscard]] const std::shared_ptr<ConnectionRouter>& router() const { return router_; }

  private:
    /// One of the listening sockets.
    struct Entrance {
        Entrance(asio::io_context& context, const Address& address,
                 const std::string& congestion_control);

        const ListeningSocket listening;
        asio::posix::stream_descriptor acceptor;
        asio::steady_timer retry;
        bool accepting = false;  ///< A wait for connections, or for a retry, is pending.
        bool starved = false;    ///< Reported, and not yet accepted again.
    };
    struct Guest {
        Guest(asio::io_context& context, ListeningSocket::Accepted&& accepted, Deadline until)
            : socket(context), retry(context), peer(std::move(accepted.peer)), deadline(until) {
            socket.assign(accepted.socket.get());
            [[maybe_unused]] const int now_owned_by_asio = accepted.socket.release();
        }

        asio::posix::stream_descriptor socket;
        asio::steady_timer retry;
        milliseconds retry_after = kPrefixRetryMin;
        Newcomer newcomer;
        std::string peer;
        Deadline deadline;
    };
    // Numbered by arrival, so that a handler of a guest that has left finds nobody; all have
    // equally long, so the first is the next one to be late.
    using Guests = std::map<std::uint64_t, Guest>;

    void run() noexcept;
    void await_connections(Entrance& entrance);
    void accept_one(Entrance& entrance);
    void back_off(Entrance& entrance, const ErrorCode& error);
    void welcome(ListeningSocket::Accepted&& accepted);
    void read(Guests::iterator entry);
    void await_bytes(Guests::iterator entry);
    void await_prefix(Guests::iterator entry);
    void settle(Guests::iterator entry);
    void refuse(Guests::iterator entry, const ErrorCode& error);
    void await_late_guests();
    void await_expiry(Deadline when);
    void report(const ErrorCode& error, std::string_view peer) noexcept;
    void await_digest();
    void tell_digest(Clock::time_point now);

    // Constant after construction.
    const ConnectionListenerSettings settings_;
    const ListenerLog log_;
    const std::shared_ptr<ConnectionRouter> router_;
    Interrupt ending_;

    Guarded<RefusalDigest> digest_;

    // Touched only on the listener's thread, but for the entrances' sockets, which are constant.
    asio::io_context context_{1};
    std::deque<Entrance> entrances_;  ///< As many as addresses, from construction on.
    asio::steady_timer late_timer_{context_};
    asio::steady_timer expiry_timer_{context_};
    asio::steady_timer digest_timer_{context_};
    bool watching_late_ = false;
    bool watching_expiry_ = false;
    bool watching_digest_ = false;
    Guests guests_;
    std::uint64_t arrivals_ = 0;

    std::atomic<std::size_t> guest_count_ = 0;  ///< Publishes nothing but itself.

    std::thread thread_;
};

ConnectionListener::Implementation::Entrance::Entrance(asio::io_context& context,
                                                       const Address& address,
                                                       const std::string& congestion_control)
    : listening(address, congestion_control), acceptor(context), retry(context) {
    Descriptor own(::fcntl(listening.fd(), F_DUPFD_CLOEXEC, 0));
    if (!own.is_open()) throw std::system_error(errno, std::system_category(), "fcntl");
    acceptor.assign(own.get());
    [[maybe_unused]] const int now_owned_by_asio = own.release();
}

ConnectionListener::Implementation::Implementation(const ConnectionListenerSettings& settings,
                                                   ListenerLog log)
    : settings_(settings),
      log_(std::move(log)),
      router_(std::make_shared<ConnectionRouter>(
          RoutingRules{settings.qemu, settings.parked_max, settings.parked_timeout},
          [this](const ErrorCode& error, std::string_view peer) { report(error, peer); })),
      digest_(settings.log_interval) {
    entrances_.emplace_back(context_, settings.address, settings.congestion_control);
    for (const auto& address : settings.also)
        entrances_.emplace_back(context_, address, settings.congestion_control);
    thread_ = start_quiet_thread("multifd-listen", [this] { run(); });
}

ConnectionListener::Implementation::~Implementation() {
    ending_.raise();
    context_.stop();
    thread_.join();
    router_->close();
    tell_digest(kNoDeadline);
}

void ConnectionListener::Implementation::run() noexcept {
    while (!ending_.raised()) {
        try {
            for (Entrance& entrance : entrances_) {
                if (!entrance.accepting) await_connections(entrance);
            }
            if (!watching_late_) await_late_guests();
            context_.run();
        } catch (const std::exception&) {
            // Out of memory in the middle of something: the connection it concerned is closed or
            // late soon. Accepting goes on after a pause.
            report(Errc::memory_exhausted, {});
            [[maybe_unused]] const auto paused =
                wait_until_ready(-1, 0, Clock::now() + kAcceptRetry, &ending_);
        }
    }
}

std::vector<Address> ConnectionListener::Implementation::local_addresses() const {
    std::vector<Address> addresses;
    for (const auto& entrance : entrances_) {
        addresses.push_back(entrance.listening.local_address());
    }
    return addresses;
}

void ConnectionListener::Implementation::remove_file() const noexcept {
    for (const auto& entrance : entrances_) entrance.listening.remove_file();
}

void ConnectionListener::Implementation::await_connections(Entrance& entrance) {
    const auto when_readable = [this, &entrance](const ErrorCode& error) {
        entrance.accepting = false;
        if (!error) accept_one(entrance);
    };
    entrance.acceptor.async_wait(asio::posix::stream_descriptor::wait_read, when_readable);
    entrance.accepting = true;
}

void ConnectionListener::Implementation::accept_one(Entrance& entrance) {
    // One at a time: what is already here is heard before more comes in.
    auto accepted = entrance.listening.accept();
    if (accepted) {
        entrance.starved = false;
        welcome(std::move(*accepted));
    } else if (accepted.error() != system_error(EAGAIN) &&
               !concerns_one_connection(accepted.error())) {
        return back_off(entrance, accepted.error());
    }
    await_connections(entrance);
}

void ConnectionListener::Implementation::back_off(Entrance& entrance, const ErrorCode& error) {
    // Those that say nothing hold descriptors that this one needs.
    if (!guests_.empty()) {
        refuse(guests_.begin(), Errc::connection_limit);
        return await_connections(entrance);
    }
    // The connection stays in the kernel's queue, which keeps the socket readable: waiting for that
    // would spin.
    if (!entrance.starved) report(error, to_string(entrance.listening.local_address()));
    entrance.starved = true;
    entrance.retry.expires_after(kAcceptRetry);
    entrance.retry.async_wait([this, &entrance](const ErrorCode& cancelled) {
        entrance.accepting = false;
        if (!cancelled) accept_one(entrance);
    });
    entrance.accepting = true;
}

void ConnectionListener::Implementation::welcome(ListeningSocket::Accepted&& accepted) {
    // Whoever means it speaks at once: the one that has been silent longest makes room.
    if (guests_.size() >= settings_.unclassified_max) {
        refuse(guests_.begin(), Errc::connection_limit);
    }
    const auto until = Clock::now() + settings_.classify_timeout;
    const auto [entry, added] =
        guests_.try_emplace(arrivals_++, context_, std::move(accepted), until);
    MULTIFD_ASSERT(added);
    guest_count_.store(guests_.size(), std::memory_order_relaxed);
    if (!watching_late_) await_late_guests();
    read(entry);
}

void ConnectionListener::Implementation::read(Guests::iterator entry) {
    Guest& guest = entry->second;
    const auto progress = guest.newcomer.read(guest.socket.native_handle());
    if (!progress) return refuse(entry, progress.error());
    switch (*progress) {
        case Newcomer::Progress::known:
            return settle(entry);
        case Newcomer::Progress::needs_bytes:
            return await_bytes(entry);
        case Newcomer::Progress::needs_prefix:
            return await_prefix(entry);
    }
}

void ConnectionListener::Implementation::await_bytes(Guests::iterator entry) {
    entry->second.socket.async_wait(asio::posix::stream_descriptor::wait_read,
                                    [this, number = entry->first](const ErrorCode&) {
                                        const auto found = guests_.find(number);
                                        if (found != guests_.end()) read(found);
                                    });
}

void ConnectionListener::Implementation::await_prefix(Guests::iterator entry) {
    Guest& guest = entry->second;
    guest.retry.expires_after(guest.retry_after);
    guest.retry_after = std::min(2 * guest.retry_after, kPrefixRetryMax);
    guest.retry.async_wait([this, number = entry->first](const ErrorCode&) {
        const auto found = guests_.find(number);
        if (found != guests_.end()) read(found);
    });
}

void ConnectionListener::Implementation::settle(Guests::iterator entry) {
    Guest& guest = entry->second;
    Connection connection(guest.socket.release(), std::move(guest.peer));
    const Newcomer newcomer = guest.newcomer;
    guests_.erase(entry);
    const bool main = newcomer.kind() == ConnectionKind::main_channel;
    const auto error = main ? router_->route_main(connection)
                            : router_->route_channel(connection, newcomer.kind(), newcomer.init());
    // Only now: whoever asks finds it here or in the router.
    guest_count_.store(guests_.size(), std::memory_order_relaxed);
    if (error) return report(error, connection.peer());
    // Whatever now waits in the router has come at this moment or earlier.
    if (!watching_expiry_) await_expiry(Clock::now() + settings_.parked_timeout);
}

void ConnectionListener::Implementation::refuse(Guests::iterator entry, const ErrorCode& error) {
    report(error, entry->second.peer);
    guests_.erase(entry);
    guest_count_.store(guests_.size(), std::memory_order_relaxed);
}

void ConnectionListener::Implementation::await_late_guests() {
    if (guests_.empty()) return;
    late_timer_.expires_at(guests_.begin()->second.deadline);
    late_timer_.async_wait([this](const ErrorCode&) {
        watching_late_ = false;
        const auto now = Clock::now();
        while (!guests_.empty() && guests_.begin()->second.deadline <= now) {
            refuse(guests_.begin(), Errc::classification_timeout);
        }
        await_late_guests();
    });
    watching_late_ = true;
}

void ConnectionListener::Implementation::await_expiry(Deadline when) {
    expiry_timer_.expires_at(when);
    expiry_timer_.async_wait([this](const ErrorCode&) {
        watching_expiry_ = false;
        const Deadline next = router_->expire();
        if (next != kNoDeadline) await_expiry(next);
    });
    watching_expiry_ = true;
}

void ConnectionListener::Implementation::report(const ErrorCode& error,
                                                std::string_view peer) noexcept {
    if (!log_) return;
    try {
        const auto now = Clock::now();
        const bool tell =
            digest_.with([&](RefusalDigest& digest) { return digest.tells(error, peer, now); });
        if (tell) return log_(error, peer, 1);
        asio::post(context_, [this] { await_digest(); });
    } catch (const std::exception&) {
        // No memory for a line: it is lost, or told with the next ones.
    }
}

void ConnectionListener::Implementation::await_digest() {
    if (watching_digest_) return;
    const Deadline due = digest_.look([](const RefusalDigest& digest) { return digest.due(); });
    if (due == kNoDeadline) return;
    digest_timer_.expires_at(due);
    digest_timer_.async_wait([this](const ErrorCode&) {
        watching_digest_ = false;
        tell_digest(Clock::now());
        await_digest();
    });
    watching_digest_ = true;
}

void ConnectionListener::Implementation::tell_digest(Clock::time_point now) {
    const auto all = digest_.with([&](RefusalDigest& digest) { return digest.take(now); });
    for (const auto& held : all) log_(held.error, held.last_peer, held.count);
}

ConnectionListener::ConnectionListener(const ConnectionListenerSettings& settings, ListenerLog log)
    : implementation_(std::make_unique<Implementation>(settings, std::move(log))) {}

ConnectionListener::~ConnectionListener() = default;

void ConnectionListener::remove_file() noexcept {
    implementation_->remove_file();
}

std::vector<Address> ConnectionListener::local_addresses() const {
    return implementation_->local_addresses();
}

Address ConnectionListener::local_address() const {
    return local_addresses().front();
}

Result<Connection> ConnectionListener::accept_main(Deadline deadline, const Interrupt* interrupt) {
    // Kept, since the listener may end while this waits.
    const auto router = implementation_->router();
    return router->accept_main(deadline, interrupt);
}

bool ConnectionListener::has_newcomers() const {
    return implementation_->has_newcomers();
}

std::unique_ptr<SessionDoor> ConnectionListener::open_door(const SessionId& id,
                                                           std::uint32_t channels, bool control) {
    MULTIFD_ASSERT(channels <= limits::kChannelsMax);
    auto door = std::make_shared<DoorState>(id, channels, control);
    implementation_->router()->open(door);
    return std::make_unique<SessionDoor>(implementation_->router(), std::move(door));
}

}  // namespace multifd
