#include "tests/channels/transport/listener_fixture.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <utility>

#include "channels/transport/connector.hpp"

namespace multifd {
namespace {

ConnectionListenerSettings with_default_address(ConnectionListenerSettings settings) {
    if (settings.address == Address{}) settings.address.host = "127.0.0.1";
    return settings;
}

Bytes init_bytes(const ChannelInit& init, std::uint32_t magic) {
    Bytes bytes(kChannelInitBytes);
    encode(init, magic, std::span<std::byte, kChannelInitBytes>(bytes));
    return bytes;
}

}  // namespace

Bytes main_bytes() {
    return {std::byte{'Q'}, std::byte{'E'}, std::byte{'V'}, std::byte{'M'},
            std::byte{0},   std::byte{0},   std::byte{0},   std::byte{3}};
}

Bytes channel_bytes(const SessionId& session, std::uint8_t id) {
    return init_bytes({session, id}, kMultifdMagic);
}

Bytes control_bytes(const SessionId& session) {
    return init_bytes({session, 0}, kControlMagic);
}

Bytes beginning_of(Bytes bytes, std::size_t count) {
    bytes.resize(count);
    return bytes;
}

SessionId session_id(std::uint8_t number) {
    SessionId id;
    id.bytes.fill(std::byte{number});
    return id;
}

ListenerLog RefusalLog::sink() {
    return [this](const ErrorCode& error, std::string_view peer, std::uint64_t count) {
        entries_.with([&](auto& entries) { entries.push_back({error, std::string(peer), count}); });
    };
}

std::vector<RefusalLog::Entry> RefusalLog::entries() const {
    return entries_.look([](const auto& entries) { return entries; });
}

std::size_t RefusalLog::count(const ErrorCode& error) const {
    const auto all = entries();
    return static_cast<std::size_t>(std::ranges::count(all, error, &Entry::error));
}

std::map<std::string, std::size_t> RefusalLog::await(std::size_t size) const {
    CHECK(entries_.wait_until(soon(), [&](const auto& entries) { return entries.size() >= size; }));
    std::map<std::string, std::size_t> counts;
    for (const auto& entry : entries()) ++counts[std::string(error_name(entry.error))];
    return counts;
}

ListenerFixture::ListenerFixture(ConnectionListenerSettings settings)
    : listener(with_default_address(std::move(settings)), log.sink()) {}

Connection ListenerFixture::client(std::span<const std::byte> bytes) const {
    auto made = connect(listener.local_address(), soon(), nullptr);
    REQUIRE(made.has_value());
    if (!bytes.empty()) REQUIRE_FALSE(made->send(bytes));
    return std::move(*made);
}

bool is_refused(Connection& client) {
    std::array<std::byte, 1> byte{};
    const auto received = client.receive_some(byte, soon(), nullptr);
    return received ? *received == 0 : received.error().value() == ECONNRESET;
}

bool are_connected(Connection& client, Connection& accepted) {
    const auto sent = pattern(100);
    Bytes received(sent.size());
    if (client.send(sent) || !accepted.receive_full(received) || received != sent) return false;
    received.assign(sent.size(), std::byte{0});
    return !accepted.send(sent) && client.receive_full(received) && received == sent;
}

}  // namespace multifd
