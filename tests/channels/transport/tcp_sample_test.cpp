// What the kernel says of a connection.
#include "channels/transport/tcp_sample.hpp"

#include <catch2/catch.hpp>
#include <fstream>

#include "channels/transport/connector.hpp"
#include "channels/transport/listening_socket.hpp"
#include "tests/channels/transport/sockets.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {

TEST_CASE("a TCP connection that has sent something is known in detail", "[tcp_sample]") {
    const ListeningSocket listening(
        *parse_address(GENERATE(values<std::string>({"tcp:127.0.0.1:0", "tcp:[::1]:0"}))));
    auto client = connect(listening.local_address(), soon(), nullptr).value();
    auto accepted = listening.accept().value();
    Connection server(accepted.socket.release());
    const Bytes bytes(100'000, std::byte{7});
    REQUIRE_FALSE(client.send(bytes, soon(), nullptr));
    Bytes read(bytes.size());
    REQUIRE(server.receive_full(read).value() == bytes.size());

    const auto sample = sample_tcp(client.fd());

    REQUIRE(sample.has_value());
    std::ifstream setting("/proc/sys/net/ipv4/tcp_congestion_control");
    std::string expected;
    setting >> expected;
    CHECK(sample->congestion_control == expected);
    CHECK(sample->congestion_window > 0);
    CHECK(sample->segment_bytes > 0);
    CHECK(sample->rtt_us > 0);
    CHECK(sample->unanswered == 0);
    client.half_close();
    server.half_close();
    CHECK(sample_tcp(client.fd()).has_value());
}

TEST_CASE("of a UNIX socket, or none, nothing is known", "[tcp_sample]") {
    const TemporaryFolder folder;
    const ListeningSocket listening(*parse_address("unix:" + (folder / "socket")));
    const auto client = connect(listening.local_address(), soon(), nullptr).value();
    CHECK_FALSE(sample_tcp(client.fd()).has_value());
    CHECK_FALSE(sample_tcp(-1).has_value());
}

}  // namespace multifd
