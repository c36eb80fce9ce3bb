// Looks at connections while they live, and what is remembered of them afterwards.
#include "engine/packets/channel_samples.hpp"

#include <catch2/catch.hpp>

#include "channels/transport/connector.hpp"
#include "channels/transport/listening_socket.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {

TEST_CASE("what was seen of a connection outlives it", "[engine]") {
    const TemporaryFolder folder;
    const ListeningSocket tcp(*parse_address("tcp:127.0.0.1:0"));
    const ListeningSocket path(*parse_address("unix:" + (folder / "socket")));
    std::vector<Connection> channels;
    for (const auto* listening : {&tcp, &path}) {
        channels.push_back(connect(listening->local_address(), kNoDeadline, nullptr).value());
    }
    ChannelSamples samples;
    CHECK_FALSE(samples.of(0).has_value());
    samples.watch(channels);
    REQUIRE(samples.of(0).has_value());
    CHECK_FALSE(samples.of(1).has_value());
    CHECK_FALSE(samples.of(2).has_value());

    samples.finish();
    channels.clear();
    samples.finish();

    REQUIRE(samples.of(0).has_value());
    CHECK(samples.of(0)->remote_address == to_string(tcp.local_address()));
    CHECK_THAT(samples.of(0)->local_address, Catch::StartsWith("tcp:127.0.0.1:"));
    CHECK_FALSE(samples.of(0)->congestion_control.empty());
}

}  // namespace multifd
