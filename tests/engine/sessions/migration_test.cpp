// The story of a migration with both ends in one process: order, agreement, ends.
#include <algorithm>
#include <catch2/catch.hpp>
#include <span>

#include "channels/transport/connector.hpp"
#include "tests/engine/sessions/session_pair.hpp"

namespace multifd {

TEST_CASE("every device's bytes arrive, and both ends name the destination as owner", "[session]") {
    SessionPair pair;
    pair.add_device("gpu0", with_state(100'000, 1));
    pair.add_device("gpu1", with_state(4096, 2));
    pair.add_device("empty", with_state(0, 3));
    pair.add_device("nic", with_state(50'001, 4), {}, MultifdProperty::off);

    const auto reports = pair.run();

    for (const auto* report : {&reports.source, &reports.destination}) {
        INFO((report->error ? report->error->message : ""));
        CHECK(report->status == Status::completed);
        CHECK(report->owner == Owner::destination);
        CHECK(report->exit_code() == 0);
    }
    const std::size_t sizes[] = {100'000, 4096, 0, 50'001};
    for (std::size_t i = 0; i < 4; ++i) {
        CAPTURE(i);
        const auto seed = static_cast<unsigned>(i + 1);
        CHECK(pair.destination_device(i).received() == pattern(sizes[i], seed));
        CHECK(pair.destination_device(i).received_config() == pattern(100, seed + 1));
        CHECK(pair.destination_device(i).now() == DeviceState::running);
        CHECK(pair.source_device(i).now() == DeviceState::stop);
        CHECK(reports.source.devices[i].transfer_digest ==
              reports.destination.devices[i].transfer_digest);
        CHECK(reports.source.devices[i].bytes == sizes[i] + 100);
    }
    CHECK(reports.source.devices[0].packets == 26);
    CHECK_FALSE(reports.source.devices[3].multifd);
    CHECK(reports.source.downtime_ms);
    CHECK(reports.destination.switchover_span_ms);
    for (const auto* report : {&reports.source, &reports.destination}) {
        REQUIRE(report->transfer);
        CHECK(report->transfer->us > 0);
        CHECK(report->transfer->us <= (report->total_time_ms + 1) * 1000);
    }
}

TEST_CASE("no device stops before all are in their P2P state, none runs before all are",
          "[session]") {
    SessionPair pair;
    for (const auto* name : {"a", "b", "c"}) pair.add_device(name, with_state(10'000));
    REQUIRE(pair.run().source.status == Status::completed);

    const auto& journal = pair.journal;
    for (const std::string one : {"a", "b", "c"}) {
        for (const std::string other : {"a", "b", "c"}) {
            CAPTURE(one, other);
            CHECK(journal.position("source/" + one + " is running-p2p") <
                  journal.position("source/" + other + " set_state stop-copy"));
            CHECK(journal.position("source/" + one + " is stop-copy") <
                  journal.position("source/" + other + " read"));
            CHECK(journal.position("destination/" + one + " is stop") <
                  journal.position("destination/" + other + " set_state running-p2p"));
            CHECK(journal.position("destination/" + one + " is running-p2p") <
                  journal.position("destination/" + other + " set_state running"));
            CHECK(journal.position("source/" + one + " is stop-copy") <
                  journal.position("destination/" + other + " is running-p2p"));
        }
    }
}

TEST_CASE("the config state is loaded after the last state buffer", "[session]") {
    SessionPair pair;
    pair.add_device("gpu0", with_state(40'000));
    REQUIRE(pair.run().source.status == Status::completed);
    const auto lines = pair.journal.lines();
    const auto config = std::ranges::find(lines, "destination/gpu0 load_config");
    REQUIRE(config != lines.end());
    CHECK(std::find(config, lines.end(), "destination/gpu0 write") == lines.end());
}

TEST_CASE("a paused source's devices are not started at the destination", "[session]") {
    SessionPair pair;
    auto script = with_state(10'000);
    script.initial = DeviceState::stop;
    pair.add_device("gpu0", script);
    const auto reports = pair.run();
    CHECK(reports.destination.status == Status::completed);
    CHECK(pair.destination_device(0).now() == DeviceState::stop);
    CHECK(pair.source_device(0).now() == DeviceState::stop);
}

TEST_CASE("a device that is not in a state to begin from is refused before anything is sent",
          "[session]") {
    SessionPair pair;
    auto script = with_state(10);
    script.initial = DeviceState::resuming;
    pair.add_device("gpu0", script);
    const auto reports = pair.run();
    REQUIRE(reports.source.error);
    CHECK(reports.source.error->code == "device_state_wrong");
    CHECK(reports.source.error->exit_code == 5);
    CHECK(pair.source_device(0).now() == DeviceState::resuming);
}

TEST_CASE("two devices that do peer DMA are refused when one lacks P2P", "[session]") {
    SessionPair pair;
    auto first = with_state(10);
    auto second = with_state(10);
    first.traits.peer_dma = second.traits.peer_dma = true;
    second.traits.p2p = false;
    pair.add_device("vf0", first);
    pair.add_device("vf1", second);
    const auto reports = pair.run();
    REQUIRE(reports.source.error);
    CHECK(reports.source.error->code == "device_lacks_p2p");
    CHECK(reports.source.error->device == "vf1");
    CHECK(pair.source_device(0).now() == DeviceState::running);
}

TEST_CASE("ends that disagree say so at both, and no device is touched", "[session]") {
    SessionPair pair;
    pair.add_device("gpu0", with_state(10));
    SECTION("on the number of channels") {
        pair.source_settings.multifd_channels = 2;
        pair.destination_settings.multifd_channels = 3;
    }
    SECTION("on the packet size") {
        pair.source_settings.packet_size = 1U << 20U;
        pair.destination_settings.packet_size_max = 1U << 16U;
    }
    const auto reports = pair.run();
    REQUIRE(reports.source.error);
    REQUIRE(reports.destination.error);
    CHECK(reports.source.error->code == reports.destination.error->code);
    CHECK(reports.source.error->exit_code == 11);
    CHECK(pair.journal.position("source/gpu0 set_state stop-copy") == pair.journal.lines().size());
    CHECK(pair.journal.position("destination/gpu0 reset") == pair.journal.lines().size());
}

TEST_CASE("without verification the migration still completes and says that nothing was verified",
          "[session]") {
    SessionPair pair;
    pair.add_device("gpu0", with_state(10'000));
    pair.destination_settings.verify = false;
    const auto reports = pair.run();
    CHECK(reports.source.status == Status::completed);
    CHECK(reports.source.devices[0].transfer_digest.empty());
    CHECK(pair.destination_device(0).received() == pattern(10'000));
}

TEST_CASE("the destination's memory stays within its limit and one packet", "[session]") {
    SessionPair pair;
    pair.destination_settings.max_queued_bytes = 3 * 4096;
    pair.source_settings.multifd_channels = 4;
    ScriptedDevice::Script slow;
    slow.before = [](const std::string& call) {
        if (call == "write") std::this_thread::yield();
        return CallResult::success();
    };
    pair.add_device("gpu0", with_state(1'000'000, 1), slow);
    pair.add_device("gpu1", with_state(1'000'000, 2), slow);
    const auto reports = pair.run();
    CHECK(reports.destination.status == Status::completed);
    CHECK(reports.destination.peak_queued_bytes <= 4 * 4096);
    CHECK(pair.destination_device(1).received() == pattern(1'000'000, 2));
}

TEST_CASE("strangers on the listening socket do not end a destination", "[session]") {
    SessionPair pair;
    pair.destination_settings.connect_timeout = std::chrono::milliseconds(400);
    pair.add_device("gpu0", with_state(10'000));
    pair.start_destination();
    // The last one stays silent and open until its share of the time has passed.
    std::vector<Connection> strangers;
    const std::string beginning("QEVM\0\0\0\3", 8);
    for (const std::string& words : {std::string("QEVM"), beginning + "\1abc", beginning}) {
        auto stranger = connect(*parse_address(pair.address()), kNoDeadline, nullptr);
        REQUIRE(stranger.has_value());
        REQUIRE_FALSE(stranger->send(std::as_bytes(std::span(words))));
        if (words.size() != beginning.size()) stranger->half_close();
        strangers.push_back(std::move(*stranger));
    }
    pair.start_source();
    const auto reports = pair.await();
    CHECK(reports.source.status == Status::completed);
    CHECK(pair.destination_device(0).received() == pattern(10'000));
}

TEST_CASE("many devices share many channels", "[session]") {
    SessionPair pair;
    pair.source_settings.multifd_channels = 16;
    for (unsigned i = 0; i < 32; ++i) {
        pair.add_device("device" + std::to_string(i), with_state(1000 * (i + 1), i));
    }
    const auto reports = pair.run();
    REQUIRE(reports.source.status == Status::completed);
    for (unsigned i = 0; i < 32; ++i) {
        CAPTURE(i);
        CHECK(pair.destination_device(i).received() == pattern(1000 * (i + 1), i));
    }
    CHECK(reports.source.channels.size() == 16);
}

}  // namespace multifd
