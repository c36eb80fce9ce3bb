// The relay that other tests rely on: it passes packets on whole, and spoils what it is told to.
#include <array>
#include <catch2/catch.hpp>
#include <list>

#include <sys/socket.h>

#include "tests/support/relay.hpp"

namespace multifd {
namespace {

void append(Bytes& bytes, std::uint32_t value) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) {
        bytes.push_back(static_cast<std::byte>(value >> shift & 0xffU));
    }
}

Bytes init_of(unsigned channel) {
    Bytes bytes;
    append(bytes, 0x11223344);
    append(bytes, 1);
    bytes.resize(64);
    bytes[24] = static_cast<std::byte>(channel);
    return bytes;
}

Bytes packet_of(std::uint32_t idx, std::size_t size) {
    Bytes bytes;
    for (const std::uint32_t value : {0x11223344U, 1U, 0x40U}) append(bytes, value);
    bytes.push_back(std::byte{'a'});
    bytes.resize(12 + 256);
    for (const std::uint32_t value : {0U, static_cast<std::uint32_t>(12 + size), 0U, idx, 0U}) {
        append(bytes, value);
    }
    bytes.resize(288 + size, static_cast<std::byte>(idx));
    return bytes;
}

Bytes end_mark() {
    Bytes bytes;
    for (const std::uint32_t value : {0x11223344U, 1U, 0x80000000U}) append(bytes, value);
    return bytes;
}

/// Sends each channel's packets through a relay, one after the other, and reads what arrives.
class RelayFixture {
  public:
    explicit RelayFixture(RelayRules rules)
        : destination_(listen_on_loopback()), relay_(address_of(destination_), std::move(rules)) {}

    void send(unsigned channel, const std::vector<Bytes>& packets) {
        const Socket& source = sources_.emplace_back(connect_on_loopback(relay_.address()));
        REQUIRE(source.send(init_of(channel)));
        for (const Bytes& packet : packets) REQUIRE(source.send(packet));
        REQUIRE(source.send(end_mark()));
        shutdown(source.fd(), SHUT_WR);
        arrived_.emplace_back(accept(destination_.fd(), nullptr, nullptr));
    }

    /// All bytes of the next channel, in the order of send(), without its init.
    Bytes received() {
        Bytes bytes;
        std::array<std::byte, 4096> chunk{};
        while (const std::size_t size = arrived_.front().receive(chunk)) {
            bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + static_cast<long>(size));
        }
        arrived_.pop_front();
        REQUIRE(bytes.size() >= 64);
        bytes.erase(bytes.begin(), bytes.begin() + 64);
        return bytes;
    }

  private:
    Socket destination_;
    Relay relay_;
    std::list<Socket> sources_;
    std::list<Socket> arrived_;
};

Bytes joined(const std::vector<Bytes>& parts) {
    Bytes bytes;
    for (const Bytes& part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
    return bytes;
}

}  // namespace

TEST_CASE("a relay without rules changes nothing", "[support]") {
    RelayFixture fixture({});
    fixture.send(0, {packet_of(0, 10), packet_of(1, 70000), packet_of(2, 0)});
    const Bytes expected =
        joined({packet_of(0, 10), packet_of(1, 70000), packet_of(2, 0), end_mark()});
    CHECK((fixture.received() == expected));
}

TEST_CASE("a relay replaces single packets", "[support]") {
    RelayRules rules;
    rules.packet = [](RelayedPacket&& packet) {
        // On the relay's thread, where Catch2 may not assert: what is wrong does not arrive.
        const bool as_sent = packet.idstr == "a" && packet.number == packet.idx;
        if (packet.idx == 0 || !as_sent) return std::vector<Bytes>();
        return std::vector<Bytes>{packet.bytes, packet.bytes};
    };
    RelayFixture fixture(std::move(rules));
    fixture.send(0, {packet_of(0, 10), packet_of(1, 20)});
    CHECK((fixture.received() == joined({packet_of(1, 20), packet_of(1, 20), end_mark()})));
}

TEST_CASE("a relay cuts a channel after so many bytes", "[support]") {
    RelayRules rules;
    rules.cut = RelayRules::Cut{3, 64 + 300};
    RelayFixture fixture(std::move(rules));
    fixture.send(3, {packet_of(0, 100)});
    CHECK(fixture.received().size() == 300);
}

TEST_CASE("a relay that holds packets passes every channel on whole", "[support]") {
    RelayRules rules;
    rules.hold_until_ended = 2;
    rules.release_seed = GENERATE(0U, 7U);
    RelayFixture fixture(std::move(rules));
    fixture.send(0, {packet_of(0, 100000), packet_of(2, 5)});
    fixture.send(1, {packet_of(1, 50)});
    CHECK((fixture.received() == joined({packet_of(0, 100000), packet_of(2, 5), end_mark()})));
    CHECK((fixture.received() == joined({packet_of(1, 50), end_mark()})));
}

}  // namespace multifd
