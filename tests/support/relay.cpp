#include "tests/support/relay.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <utility>

namespace multifd {
namespace {

constexpr std::uint64_t kMainMagic = 0x5145564d;
constexpr std::uint64_t kChannelMagic = 0x11223344;
constexpr std::size_t kInitBytes = 64;
constexpr std::size_t kChannelIdOffset = 24;
constexpr std::size_t kPrefixBytes = 12;
constexpr std::uint32_t kDeviceStateFlag = 0x40;
constexpr std::uint32_t kChannelEndFlag = 0x80000000;
constexpr std::size_t kDeviceStateHeaderBytes = 276;
constexpr std::size_t kDeviceStateSizeOffset = 272;
constexpr std::size_t kRamHeaderBytes = 1344;
constexpr std::size_t kRamSizeOffset = 20;
constexpr std::size_t kChunkBytes = 65536;

std::uint32_t big_endian(std::span<const std::byte> bytes, std::size_t offset) {
    std::uint32_t value = 0;
    for (const auto byte : bytes.subspan(offset, 4)) {
        value = value << 8U | std::to_integer<std::uint32_t>(byte);
    }
    return value;
}

}  // namespace

Relay::Relay(std::string destination_address, RelayRules rules)
    : destination_address_(std::move(destination_address)),
      rules_(std::move(rules)),
      listener_(listen_on_loopback()),
      acceptor_([this] { accept_connections(); }) {}

Relay::~Relay() {
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
        for (Link& link : links_) shut(link);
    }
    changed_.notify_all();
    listener_.shut_down();
    acceptor_.join();
    {
        // What the acceptor let in since.
        const std::lock_guard lock(mutex_);
        for (Link& link : links_) shut(link);
    }
    for (std::thread& thread : threads_) thread.join();
}

std::string Relay::address() const {
    return address_of(listener_);
}

void Relay::go_silent() noexcept {
    const std::lock_guard lock(mutex_);
    silent_ = true;
}

void Relay::accept_connections() {
    for (;;) {
        Socket source(accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
        if (source.fd() < 0) return;
        Socket destination = connect_on_loopback(destination_address_);
        if (destination.fd() < 0) continue;
        const std::lock_guard lock(mutex_);
        Link& link = links_.emplace_back(Link{std::move(source), std::move(destination)});
        threads_.emplace_back([this, &link] { relay_forward(link); });
    }
}

void Relay::relay_forward(Link& link) {
    Bytes first(4);
    if (receive_full(link.source, first)) {
        const std::uint32_t magic = big_endian(first, 0);
        // The backward direction needs to know what it carries; it begins when that is known.
        const bool control = magic != kMainMagic && magic != kChannelMagic;
        std::thread backward([this, &link, magic, control] {
            relay_backward(link,
                           magic == kMainMagic ? RelayedMessage::Way::return_path
                                               : RelayedMessage::Way::control_to_source,
                           magic == kMainMagic || control);
        });
        if (magic == kMainMagic) {
            relay_main(link, std::move(first));
        } else if (control) {
            relay_control(link, std::move(first));
        } else {
            relay_channel(link, std::move(first));
        }
        end_direction(link.source, link.destination);
        backward.join();
        return;
    }
    shut(link);
}

void Relay::relay_main(Link& link, Bytes bytes) {
    connected("main");
    MainChannelTracker tracker;
    tracker.append(bytes);
    Bytes chunk(kChunkBytes);
    for (;;) {
        while (const auto record = tracker.next()) {
            if (!record->name.empty()) announce(RelayedMessage::Way::main_channel, record->name);
            if (!send(link.destination, record->bytes)) return shut(link);
        }
        const std::size_t size = receive(link.source, chunk);
        if (size == 0) return;
        tracker.append(std::span(chunk).first(size));
    }
}

void Relay::relay_control(Link& link, Bytes bytes) {
    bytes.resize(kInitBytes);
    if (!receive_full(link.source, std::span(bytes).subspan(4))) return;
    connected("control");
    if (!send(link.destination, bytes)) return shut(link);
    MessageTracker tracker;
    Bytes chunk(kChunkBytes);
    while (const std::size_t size = receive(link.source, chunk)) {
        tracker.append(std::span(chunk).first(size));
        while (const auto record = tracker.next()) {
            announce(RelayedMessage::Way::control_to_destination, record->name);
            if (!send(link.destination, record->bytes)) return shut(link);
        }
    }
}

void Relay::relay_backward(Link& link, RelayedMessage::Way way, bool messages) {
    MessageTracker tracker;
    Bytes chunk(kChunkBytes);
    while (const std::size_t size = receive(link.destination, chunk)) {
        if (!messages) {
            if (!send(link.source, std::span(chunk).first(size))) return shut(link);
            continue;
        }
        tracker.append(std::span(chunk).first(size));
        while (const auto record = tracker.next()) {
            announce(way, record->name);
            if (!send(link.source, record->bytes)) return shut(link);
        }
    }
    end_direction(link.destination, link.source);
}

void Relay::relay_channel(Link& link, Bytes bytes) {
    bytes.resize(kInitBytes);
    if (!receive_full(link.source, std::span(bytes).subspan(4))) return;
    const auto channel = std::to_integer<unsigned>(bytes[kChannelIdOffset]);
    connected("channel " + std::to_string(channel));
    if (!send(link.destination, bytes)) return shut(link);
    std::uint64_t sent = kInitBytes;
    while (auto packet = read_packet(link.source, channel)) {
        if (!pass_packet(link, std::move(*packet), sent)) return shut(link);
    }
    if (rules_.hold_until_ended == 0) return;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return released_ || closing_; });
}

/// Empty at the end of the connection, also inside a packet: what is cut off is not passed on.
std::optional<RelayedPacket> Relay::read_packet(const Socket& source, unsigned channel) {
    RelayedPacket packet;
    packet.channel = channel;
    packet.bytes.resize(kPrefixBytes);
    if (!receive_full(source, packet.bytes)) return std::nullopt;
    const std::uint32_t flags = big_endian(packet.bytes, 8);
    if (flags == kChannelEndFlag) return packet;
    packet.device_state = (flags & kDeviceStateFlag) != 0;
    const std::size_t header = packet.device_state ? kDeviceStateHeaderBytes : kRamHeaderBytes;
    const std::size_t size_at = packet.device_state ? kDeviceStateSizeOffset : kRamSizeOffset;
    packet.bytes.resize(header);
    if (!receive_full(source, std::span(packet.bytes).subspan(kPrefixBytes))) return std::nullopt;
    packet.bytes.resize(header + big_endian(packet.bytes, size_at));
    if (!receive_full(source, std::span(packet.bytes).subspan(header))) return std::nullopt;
    if (packet.device_state) {
        packet.idstr = reinterpret_cast<const char*>(packet.bytes.data()) + kPrefixBytes;
        packet.idx = big_endian(packet.bytes, kDeviceStateHeaderBytes + 4);
        packet.config = big_endian(packet.bytes, kDeviceStateHeaderBytes + 8) == 1;
    }
    return packet;
}

std::vector<Bytes> Relay::replacements_of(RelayedPacket packet) {
    const std::lock_guard lock(rules_mutex_);
    if (packet.device_state) packet.number = packets_seen_++;
    if (rules_.packet && packet.device_state) return rules_.packet(std::move(packet));
    return {std::move(packet.bytes)};
}

bool Relay::pass_packet(Link& link, RelayedPacket packet, std::uint64_t& sent) {
    const unsigned channel = packet.channel;
    const bool end_mark = packet.bytes.size() == kPrefixBytes;
    for (Bytes& bytes : replacements_of(std::move(packet))) {
        if (rules_.hold_until_ended != 0) {
            hold(link, channel, std::move(bytes), end_mark);
            continue;
        }
        std::span<const std::byte> passed(bytes);
        const bool cut = rules_.cut && rules_.cut->channel == channel &&
                         sent + passed.size() > rules_.cut->bytes;
        if (cut) passed = passed.first(std::max(rules_.cut->bytes, sent) - sent);
        if (!send(link.destination, passed) || cut) return false;
        sent += passed.size();
    }
    return true;
}

void Relay::hold(Link& link, unsigned channel, Bytes bytes, bool end_mark) {
    {
        const std::lock_guard lock(mutex_);
        HeldChannel& held = held_[channel];
        held.link = &link;
        held.packets.push_back(std::move(bytes));
        held.ended = held.ended || end_mark;
        const auto ended =
            std::ranges::count_if(held_, [](const auto& entry) { return entry.second.ended; });
        if (ended < static_cast<std::ptrdiff_t>(rules_.hold_until_ended)) return;
    }
    // Nobody touches held_ any more: every channel has sent its last packet.
    release_held();
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
}

/// Passes on what can be sent without waiting, so that a channel the destination pauses does not
/// keep the others back.
void Relay::release_held() {
    std::mt19937_64 random(rules_.release_seed);
    std::vector<HeldChannel*> channels;
    for (auto& [channel, held] : held_) channels.push_back(&held);
    for (;;) {
        std::erase_if(channels, [](const HeldChannel* held) { return held->packets.empty(); });
        if (channels.empty() || is_closing()) return;
        std::vector<pollfd> entries;
        for (const auto* held : channels)
            entries.push_back({held->link->destination.fd(), POLLOUT, 0});
        poll(entries.data(), entries.size(), 100);
        std::vector<HeldChannel*> writable;
        for (std::size_t i = 0; i < channels.size(); ++i) {
            if (entries[i].revents != 0) writable.push_back(channels[i]);
        }
        if (writable.empty()) continue;
        HeldChannel& chosen =
            rules_.release_seed == 0 ? *writable.back() : *writable[random() % writable.size()];
        Bytes& bytes = chosen.packets.front();
        const auto sent = ::send(chosen.link->destination.fd(), bytes.data(), bytes.size(),
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN) chosen.packets.clear();
        if (sent <= 0) continue;
        bytes.erase(bytes.begin(), bytes.begin() + sent);
        if (bytes.empty()) chosen.packets.pop_front();
    }
}

bool Relay::is_closing() {
    const std::lock_guard lock(mutex_);
    return closing_;
}

void Relay::announce(RelayedMessage::Way way, const std::string& name) {
    const std::lock_guard lock(rules_mutex_);
    if (rules_.message) rules_.message({way, name});
}

void Relay::connected(const std::string& what) {
    const std::lock_guard lock(rules_mutex_);
    if (rules_.connected) rules_.connected(what);
}

bool Relay::send(const Socket& socket, std::span<const std::byte> bytes) {
    wait_while_silent();
    return socket.send(bytes);
}

/// 0 when the connection is over, however that came.
std::size_t Relay::receive(const Socket& socket, std::span<std::byte> target) {
    const std::size_t size = socket.receive(target);
    // Who is silent does not tell either that the connection is over.
    wait_while_silent();
    return size;
}

bool Relay::receive_full(const Socket& socket, std::span<std::byte> target) {
    const bool full = socket.receive_full(target);
    wait_while_silent();
    return full;
}

void Relay::wait_while_silent() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !silent_ || closing_; });
}

void Relay::end_direction(const Socket& from, const Socket& to) noexcept {
    shutdown(from.fd(), SHUT_RD);
    shutdown(to.fd(), SHUT_WR);
}

void Relay::shut(Link& link) noexcept {
    link.source.shut_down();
    link.destination.shut_down();
}

}  // namespace multifd
