#include "tests/engine/devices/vfio_user/scripted_server.hpp"

#include <poll.h>

#include "channels/transport/readiness.hpp"
#include "engine/devices/vfio_user/version.hpp"

namespace multifd::vfio_user::test {
namespace {

constexpr std::chrono::seconds kHang{30};

}  // namespace

Address path_address(const std::string& path) {
    Address address;
    address.family = Address::Family::unix_path;
    address.path = path;
    return address;
}

Connection accept_client(const ListeningSocket& socket) {
    const auto ready = wait_until_ready(socket.fd(), POLLIN, Clock::now() + kHang, nullptr);
    auto accepted = socket.accept();
    return !ready && accepted ? Connection(accepted->socket.release()) : Connection();
}

std::optional<Received> receive_message(Connection& connection) {
    const Deadline until = Clock::now() + kHang;
    const auto fill = [&](std::span<std::byte> target) {
        while (!target.empty()) {
            const auto got = connection.receive_some(target, until, nullptr);
            if (!got || *got == 0) return false;
            target = target.subspan(*got);
        }
        return true;
    };
    HeaderBytes head{};
    if (!connection.is_open() || !fill(head)) return std::nullopt;
    Received received{decode_header(head), {}};
    received.payload.resize(received.header.payload_bytes());
    if (!fill(received.payload)) return std::nullopt;
    return received;
}

ScriptedServer::ScriptedServer(const std::string& path, Answer answer)
    : answer_(std::move(answer)), socket_(path_address(path)), thread_([this] { run(); }) {}

ScriptedServer::~ScriptedServer() {
    stop_.raise();
    thread_.join();
}

std::vector<Command> ScriptedServer::commands() const {
    const std::lock_guard lock(mutex_);
    return commands_;
}

std::size_t ScriptedServer::connections() const {
    const std::lock_guard lock(mutex_);
    return connections_;
}

void ScriptedServer::run() {
    while (!wait_until_ready(socket_.fd(), POLLIN, kNoDeadline, &stop_)) {
        auto accepted = socket_.accept();
        if (!accepted) continue;
        {
            const std::lock_guard lock(mutex_);
            ++connections_;
        }
        Connection connection(accepted->socket.release());
        while (serve_message(connection)) {
        }
    }
}

bool ScriptedServer::serve_message(Connection& connection) {
    HeaderBytes head{};
    if (!receive(connection, head)) return false;
    const Header header = decode_header(head);
    Bytes payload(header.payload_bytes());
    if (!receive(connection, payload)) return false;
    {
        const std::lock_guard lock(mutex_);
        commands_.push_back(header.command);
    }
    const Bytes reply = header.command == Command::version
                            ? make_reply(header, encode(own_version()))
                            : answer_(header, payload);
    return !reply.empty() && !connection.send(reply, kNoDeadline, &stop_);
}

bool ScriptedServer::receive(Connection& connection, std::span<std::byte> target) {
    while (!target.empty()) {
        const auto got = connection.receive_some(target, kNoDeadline, &stop_);
        if (!got || *got == 0) return false;
        target = target.subspan(*got);
    }
    return true;
}

Bytes feature_reply(const Header& header, const Bytes& request, ConstBytes data) {
    FeatureMessage reply = *decode_feature(request);
    reply.data = data;
    return make_reply(header, encode(reply));
}

}  // namespace multifd::vfio_user::test
