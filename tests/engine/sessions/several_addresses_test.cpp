// One session over several addresses: every channel on its own path, all or none.
#include <catch2/catch.hpp>
#include <set>

#include "tests/engine/sessions/session_pair.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

/// An address where nobody listens.
std::string deserted_address() {
    const Listener gone({.listen = "tcp:127.0.0.3:0"});
    return gone.address();
}

}  // namespace

TEST_CASE("channels take the addresses in turn, of any family, and both ends say which",
          "[session]") {
    const TemporaryFolder folder;
    SessionPair pair;
    pair.listen_on = {"tcp:127.0.0.1:0", "tcp:127.0.0.2:0", "tcp:[::1]:0",
                      "unix:" + (folder / "second")};
    pair.source_settings.multifd_channels = 6;
    pair.source_settings.bind = {"127.0.0.5", "any", "::1"};
    pair.add_device("gpu0", with_state(200'000));

    const auto reports = pair.run();

    INFO((reports.source.error ? reports.source.error->message : ""));
    REQUIRE(reports.source.status == Status::completed);
    CHECK(reports.destination.status == Status::completed);
    CHECK(pair.destination_device(0).received() == pattern(200'000, 1));
    const auto addresses = pair.addresses();
    for (const auto* report : {&reports.source, &reports.destination}) {
        REQUIRE(report->channels.size() == 6);
        for (const auto& channel : report->channels) {
            CAPTURE(channel.id);
            CHECK(channel.path == addresses[channel.id % 4]);
        }
    }
    CHECK(reports.source.peer == addresses.front());
    CHECK_THAT(reports.destination.peer, Catch::StartsWith("tcp:127.0.0.5:"));
}

TEST_CASE("an address that cannot be reached is named, and nothing is migrated", "[session]") {
    SessionPair pair;
    pair.listen_on = {"tcp:127.0.0.1:0", "tcp:127.0.0.2:0"};
    const std::string deserted = deserted_address();
    pair.source_settings.also_to = {deserted};
    pair.source_settings.multifd_channels = 3;
    pair.add_device("gpu0", with_state(10'000));

    const auto reports = pair.run();

    REQUIRE(reports.source.error);
    CHECK(reports.source.error->code == "connect_failed");
    CHECK(reports.source.error->channel == 2U);
    CHECK_THAT(reports.source.error->message, Catch::Contains(deserted));
    CHECK(reports.source.owner == Owner::source);
    CHECK(pair.source_device(0).now() == DeviceState::running);
    CHECK(reports.destination.status == Status::failed);
}

TEST_CASE("a source address that is none of this host's is named", "[session]") {
    SessionPair pair;
    pair.listen_on = {"tcp:127.0.0.1:0", "tcp:127.0.0.2:0"};
    const bool first = GENERATE(true, false);
    pair.source_settings.bind = {first ? "192.0.2.1" : "any", "192.0.2.1"};
    pair.add_device("gpu0", with_state(10'000));

    const auto reports = pair.run();

    REQUIRE(reports.source.error);
    CHECK(reports.source.error->code == "bind_not_local");
    CHECK(reports.source.error->exit_code == 3);
    CHECK_THAT(reports.source.error->message,
               Catch::Contains(pair.addresses()[first ? 0 : 1] + " from 192.0.2.1"));
    CHECK(pair.source_device(0).now() == DeviceState::running);
}

}  // namespace multifd
