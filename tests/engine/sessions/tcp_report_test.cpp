// What the reports say of the channels' connections.
#include <catch2/catch.hpp>

#include "tests/engine/sessions/session_pair.hpp"

namespace multifd {

TEST_CASE("both ends report each channel's TCP connection, and each other's addresses",
          "[session]") {
    SessionPair pair;
    pair.listen_on = {"tcp:127.0.0.1:0", "tcp:[::1]:0"};
    pair.add_device("gpu0", with_state(500'000));

    const auto reports = pair.run();

    REQUIRE(reports.source.status == Status::completed);
    REQUIRE(reports.source.channels.size() == 2);
    for (std::size_t id = 0; id < 2; ++id) {
        CAPTURE(id);
        REQUIRE(reports.source.channels[id].tcp);
        REQUIRE(reports.destination.channels[id].tcp);
        const auto& source = *reports.source.channels[id].tcp;
        const auto& destination = *reports.destination.channels[id].tcp;
        CHECK(source.remote_address == pair.addresses()[id]);
        CHECK(source.remote_address == destination.local_address);
        CHECK(source.local_address == destination.remote_address);
        CHECK_FALSE(source.congestion_control.empty());
        CHECK(source.congestion_window > 0);
        CHECK(source.rtt_us > 0);
    }
    CHECK(reports.source.slow_paths.empty());
}

TEST_CASE("of UNIX sockets there is nothing to report", "[session]") {
    SessionPair pair;
    pair.add_device("gpu0", with_state(10'000));
    const auto reports = pair.run();
    REQUIRE(reports.source.status == Status::completed);
    for (const auto* report : {&reports.source, &reports.destination}) {
        for (const auto& channel : report->channels) CHECK_FALSE(channel.tcp);
    }
}

TEST_CASE("the connections can be looked at while they carry state", "[session]") {
    SessionPair pair;
    pair.listen_on = {"tcp:127.0.0.1:0"};
    pair.add_device("gpu0", with_state(3'000'000));
    pair.start();
    while (pair.source().statistics().status != Status::completed) {
        for (const auto& channel : pair.source().statistics().channels) {
            REQUIRE(channel.tcp);
            CHECK_THAT(channel.tcp->remote_address, Catch::StartsWith("tcp:127.0.0.1:"));
        }
        const auto status = pair.source().statistics().status;
        if (status == Status::failed || status == Status::cancelled) break;
    }
    CHECK(pair.await().source.status == Status::completed);
}

}  // namespace multifd
