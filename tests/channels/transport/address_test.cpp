#include "channels/transport/address.hpp"

#include <catch2/catch.hpp>
#include <string>

namespace multifd {
namespace {

Address tcp(std::string host, std::uint16_t port) {
    return {Address::Family::tcp, std::move(host), port, {}};
}
Address unix_path(std::string path) {
    return {Address::Family::unix_path, {}, 0, std::move(path)};
}

TEST_CASE("an address is read as written, and written as read", "[address]") {
    struct Case {
        std::string text;
        Address expected;
    };
    const auto sample = GENERATE(values<Case>({
        {"tcp:127.0.0.1:4444", tcp("127.0.0.1", 4444)},
        {"tcp:host-1.example:1", tcp("host-1.example", 1)},
        {"tcp:[::1]:4444", tcp("::1", 4444)},
        {"tcp:[fe80::1%lo]:65535", tcp("fe80::1%lo", 65535)},
        {"tcp::4444", tcp("", 4444)},
        {"tcp:localhost:0", tcp("localhost", 0)},
        {"unix:/run/multifd.sock", unix_path("/run/multifd.sock")},
        {"unix:a:b,c", unix_path("a:b,c")},
    }));
    CAPTURE(sample.text);
    const auto parsed = parse_address(sample.text);
    REQUIRE(parsed.has_value());
    CHECK(*parsed == sample.expected);
    CHECK(to_string(*parsed) == sample.text);
}

TEST_CASE("what is no address is address_invalid", "[address]") {
    const auto text = GENERATE(values<std::string>({
        "",
        "tcp",
        "tcp:",
        "tcp:host",
        "tcp:host:",
        "tcp:host:65536",
        "tcp:host:-1",
        "tcp:host:+1",
        "tcp:host: 1",
        "tcp:host:1x",
        "tcp:host:0x10",
        "tcp:ho st:1",
        "tcp:::1:4444",
        "tcp:[::1]",
        "tcp:[::1]4444",
        "tcp:[::1:4444",
        "tcp:[]:4444",
        "tcp:[127.0.0.1]:4444",
        "tcp:[host]:4444",
        "unix:",
        "udp:host:1",
        "127.0.0.1:4444",
        std::string("unix:/a\0b", 9),
        std::string("tcp:a\0b:1", 9),
    }));
    CAPTURE(text);
    const auto parsed = parse_address(text);
    REQUIRE(parsed.has_error());
    CHECK(parsed.error() == Errc::address_invalid);
}

TEST_CASE("loopback is what only this host can reach", "[address]") {
    for (const auto* text : {"tcp:127.0.0.1:1", "tcp:127.255.0.9:1", "tcp:[::1]:1",
                             "tcp:[::ffff:127.0.0.1]:1", "tcp:localhost:1", "unix:/x"}) {
        CAPTURE(text);
        CHECK(is_loopback(*parse_address(text)));
    }
    for (const auto* text :
         {"tcp::1", "tcp:0.0.0.0:1", "tcp:[::]:1", "tcp:128.0.0.1:1", "tcp:[::ffff:10.0.0.1]:1",
          "tcp:example.org:1", "tcp:[fe80::1%lo]:1"}) {
        CAPTURE(text);
        CHECK_FALSE(is_loopback(*parse_address(text)));
    }
}

}  // namespace
}  // namespace multifd
