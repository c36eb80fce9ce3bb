#include "engine/devices/vfio_user/device_server.hpp"

#include <poll.h>

#include <array>

#include "channels/transport/readiness.hpp"

namespace multifd::vfio_user {
namespace {

/// For the rest of a message whose first byte has come, and for a reply to be taken: a client that
/// stops in between must not keep out the next one.
constexpr std::chrono::seconds kMessageLimit{30};

/// Out of descriptors or memory: how soon accepting is tried again.
constexpr std::chrono::milliseconds kAcceptRetry{100};

Address address_of_path(const std::string& path) {
    Address address;
    address.family = Address::Family::unix_path;
    address.path = path;
    return address;
}

}  // namespace

DeviceServer::DeviceServer(const std::string& socket_path, ServedDevice& device,
                           Interface interface, const Interrupt& stop, RequestHandler::Log log)
    : device_(device),
      interface_(interface),
      stop_(stop),
      log_(std::move(log)),
      socket_(address_of_path(socket_path)) {}

void DeviceServer::run() {
    bool starved = false;  // Said, and nobody accepted since.
    while (!wait_until_ready(socket_.fd(), POLLIN, kNoDeadline, &stop_)) {
        auto accepted = socket_.accept();
        if (accepted) {
            starved = false;
            serve(Connection(accepted->socket.release(), "a client"));
        } else if (accepted.error() != boost::system::errc::resource_unavailable_try_again &&
                   !concerns_one_connection(accepted.error())) {
            if (!starved) log_(LogLevel::error, "no client: " + accepted.error().message());
            starved = true;
            // Whoever waits keeps the socket readable: waiting for that would spin.
            if (wait_until_ready(-1, 0, Clock::now() + kAcceptRetry, &stop_) == Errc::cancelled)
                return;
        }
    }
}

void DeviceServer::serve(Connection connection) {
    log_(LogLevel::info, "a client has come");
    const auto say_left_out = [this] {
        const std::uint64_t lines = lines_.take_left_out();
        if (lines == 0) return;
        log_(LogLevel::warning, std::to_string(lines) + " lines more on this client were left out");
    };
    RequestHandler handler(device_, config_, interface_, [&](LogLevel level, const auto& line) {
        if (!lines_.tells(Clock::now())) return;
        say_left_out();
        log_(level, line);
    });
    // A client that says nothing at first would keep out all others.
    Deadline begin = Clock::now() + kMessageLimit;
    while (serve_message(connection, handler, begin)) begin = kNoDeadline;
    say_left_out();
    const CallResult settled = device_.client_gone();
    log_(settled.ok() ? LogLevel::info : LogLevel::error,
         "the client has gone; the device is in " + std::string(to_string(device_.state())) +
             (settled.ok() ? "" : ": " + settled.detail));
}

bool DeviceServer::serve_message(Connection& connection, RequestHandler& handler, Deadline begin) {
    HeaderBytes head;
    const std::span<std::byte> all(head);
    if (!receive(connection, all.first(1), begin)) return false;
    if (!receive(connection, all.subspan(1), Clock::now() + kMessageLimit)) return false;
    const Header header = decode_header(head);
    auto answer = handler.refuse(header);
    if (!answer) {
        payload_.resize(header.payload_bytes());
        if (!receive(connection, payload_, Clock::now() + kMessageLimit)) return false;
        answer = handler.handle(header, payload_);
    }
    if (answer->reply.empty()) return !answer->close;
    const auto sent = connection.send(answer->reply, Clock::now() + kMessageLimit, &stop_);
    return !sent && !answer->close;
}

bool DeviceServer::receive(Connection& connection, std::span<std::byte> target, Deadline deadline) {
    while (!target.empty()) {
        const auto got = connection.receive_some(target, deadline, &stop_);
        if (!got || *got == 0) return false;
        target = target.subspan(*got);
    }
    return true;
}

}  // namespace multifd::vfio_user
