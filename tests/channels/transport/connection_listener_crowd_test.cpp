// A session that connects in the middle of a crowd, and a process that runs out of descriptors.
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include "channels/transport/connection_listener.hpp"
#include "channels/transport/connector.hpp"
#include "channels/transport/resolver.hpp"
#include "tests/channels/transport/listener_fixture.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

constexpr std::uint8_t kChannels = 16;
const SessionId kSession = session_id(1);
const SessionId kStranger = session_id(2);

/// What 64 clients send: a session of 16 channels with its control connection, each of them twice,
/// and thirty strangers.
std::vector<Bytes> crowd() {
    std::vector<Bytes> all;
    for (std::uint8_t id = 0; id < kChannels; ++id) {
        all.push_back(channel_bytes(kSession, id));
        all.push_back(channel_bytes(kSession, id));
    }
    all.push_back(control_bytes(kSession));
    all.push_back(control_bytes(kSession));
    for (std::uint8_t number = 0; number < 5; ++number) {
        all.push_back({});
        all.push_back(pattern(64, number));
        all.push_back(channel_bytes(kStranger, number));
        all.push_back(channel_bytes(kSession, static_cast<std::uint8_t>(kChannels + number)));
        all.push_back(Bytes(1, std::byte{0x11}));
        all.push_back(control_bytes(kStranger));
    }
    return all;
}

TEST_CASE("a crowd of strangers, doubles and silent ones does not disturb a session",
          "[listener]") {
    const auto seed = static_cast<std::uint32_t>(GENERATE(take(3, random(1, 1 << 30))));
    CAPTURE(seed);
    std::mt19937 random(seed);
    ConnectionListenerSettings settings;
    settings.classify_timeout = 500ms;
    ListenerFixture host(settings);
    const auto door = host.listener.open_door(kSession, kChannels, true);
    auto first_bytes = crowd();
    REQUIRE(first_bytes.size() == 64);
    std::ranges::shuffle(first_bytes, random);

    std::vector<Connection> clients;
    for (const auto& bytes : first_bytes) clients.push_back(host.client(bytes));
    auto collected = door->collect(soon(), nullptr);
    REQUIRE(collected.has_value());
    REQUIRE(collected->channels.size() == kChannels);

    // 17 doubles, 5 ids out of range and 10 of another session; 5 foreign; 10 silent ones at their
    // deadline.
    const auto refused = host.log.await(64 - kChannels - 1);
    CHECK(refused == std::map<std::string, std::size_t>{{"channel_duplicate", 17},
                                                        {"channel_id_invalid", 5},
                                                        {"session_unknown", 10},
                                                        {"connection_kind_unknown", 5},
                                                        {"classification_timeout", 10}});
    CHECK(door->refused() == 22);

    // Each place is held by one of the two clients that asked for it, and it is alive.
    const auto is_held = [&](Connection& accepted, const Bytes& claimed) {
        return !accepted.send(pattern(1)) && std::ranges::any_of(clients, [&](Connection& client) {
            const auto position = static_cast<std::size_t>(&client - clients.data());
            Bytes byte(1);
            if (first_bytes[position] != claimed) return false;
            const auto received = client.receive_some(byte, soon(), nullptr);
            return received && *received == 1;
        });
    };
    for (std::uint8_t id = 0; id < kChannels; ++id) {
        CAPTURE(int{id});
        CHECK(is_held(collected->channels[id], channel_bytes(kSession, id)));
    }
    REQUIRE(collected->control.has_value());
    CHECK(is_held(*collected->control, control_bytes(kSession)));
}

TEST_CASE("a crowd of any size that stays silent keeps out nobody who speaks", "[listener]") {
    ConnectionListenerSettings settings;
    settings.unclassified_max = 32;
    settings.log_interval = 20ms;
    ListenerFixture host(settings);
    constexpr std::size_t kSilent = 300;
    std::vector<Connection> silent;
    for (std::size_t count = 0; count < kSilent; ++count) {
        silent.push_back(host.client());
        if (count % 100 != 50) continue;
        auto main = host.client(main_bytes());
        auto accepted = host.listener.accept_main(soon(), nullptr);
        REQUIRE(accepted.has_value());
    }
    // All but those that still fit were refused, and told of in few words.
    const auto told = [&] {
        std::uint64_t sum = 0;
        for (const auto& entry : host.log.entries()) sum += entry.count;
        return sum;
    };
    CHECK(eventually([&] { return told() == kSilent - settings.unclassified_max; }));
    CHECK(host.log.count(Errc::connection_limit) == host.log.entries().size());
}

/// Lets this process open no further descriptor, until it is destroyed.
class NoMoreDescriptors {
  public:
    NoMoreDescriptors() {
        // UBSan looks at each new type through a pipe; later there is none.
        try {
            throw std::system_error(EMFILE, std::system_category());
        } catch (const std::system_error& known_from_now_on) {
            REQUIRE(known_from_now_on.code());
        }
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const Interrupt lowest_free;
        rlimit none = before_;
        none.rlim_cur = static_cast<rlim_t>(lowest_free.fd());
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    }
    ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    NoMoreDescriptors(const NoMoreDescriptors&) = delete;
    NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;

  private:
    rlimit before_{};
};

TEST_CASE("silent connections give their descriptors to the next one", "[listener]") {
    ListenerFixture host;
    auto silent = host.client();
    const auto target = resolve("127.0.0.1", host.listener.local_address().port)->front();
    Connection client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(client.is_open());
    // Connections are taken in order: with this one the silent one has been, too.
    const auto after_it = host.client(main_bytes());
    REQUIRE(host.listener.accept_main(soon(), nullptr).has_value());
    int connected = -1;
    {
        const NoMoreDescriptors limit;
        connected = ::connect(client.fd(), target.get(), target.length);
        static_cast<void>(client.send(main_bytes()));
        static_cast<void>(eventually([&] { return !host.log.entries().empty(); }));
    }
    REQUIRE(connected == 0);
    CHECK(is_refused(silent));
    CHECK(host.log.entries()[0].error == Errc::connection_limit);
    CHECK(host.listener.accept_main(soon(), nullptr).has_value());
}

TEST_CASE("without descriptors the listener says so once, does not spin, and recovers",
          "[listener]") {
    ListenerFixture host;
    const auto door = host.listener.open_door(kSession, 1, false);
    const ErrorCode no_descriptor(EMFILE, boost::system::system_category());
    const auto target = resolve("127.0.0.1", host.listener.local_address().port)->front();
    Connection client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(client.is_open());
    // Judged afterwards: UBSan looks at each new type through a pipe, for which there is none here.
    int connected = -1;
    bool told = false;
    std::vector<ErrorCode> errors;
    std::chrono::nanoseconds used{};
    {
        const NoMoreDescriptors limit;
        connected = ::connect(client.fd(), target.get(), target.length);
        errors.push_back(host.listener.accept_main(soon(), nullptr).error());
        errors.push_back(
            host.listener.open_door(kStranger, 1, false)->collect(soon(), nullptr).error());
        errors.push_back(connect(host.listener.local_address(), soon(), nullptr).error());
        told = eventually([&] { return !host.log.entries().empty(); });
        // Long enough for several attempts.
        const auto before = processor_time();
        errors.push_back(door->collect(after(450ms), nullptr).error());
        used = processor_time() - before;
    }
    REQUIRE(connected == 0);
    CHECK(errors == std::vector<ErrorCode>{no_descriptor, no_descriptor, no_descriptor,
                                           Errc::connect_timeout});
    REQUIRE(told);
    CHECK(host.log.entries()[0].error == no_descriptor);
    CHECK(host.log.entries()[0].peer == to_string(host.listener.local_address()));
    CHECK(used < 15ms);
    REQUIRE_FALSE(client.send(channel_bytes(kSession, 0)));
    auto collected = door->collect(soon(), nullptr);
    REQUIRE(collected.has_value());
    CHECK(are_connected(client, collected->channels[0]));
    CHECK(host.log.entries().size() == 1);
}

}  // namespace
}  // namespace multifd
