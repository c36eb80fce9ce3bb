// Cancelling at any moment, from either end.
#include <catch2/catch.hpp>
#include <future>

#include "channels/wire/device_state_packet.hpp"
#include "engine/packets/sent_digest.hpp"
#include "tests/engine/sessions/scripted_peer.hpp"
#include "tests/engine/sessions/session_pair.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

/// Holds the first call of its name until the test lets go, or the device is interrupted.
class Gate {
  public:
    std::function<CallResult(const std::string&)> at(std::string name) {
        return [this, name = std::move(name)](const std::string& call) {
            if (call != name || opened_.exchange(true)) return CallResult::success();
            reached_.set_value();
            released_.wait();
            return CallResult::success();
        };
    }
    [[nodiscard]] bool reached() {
        return reached_.get_future().wait_for(20s) == std::future_status::ready;
    }
    void open() { release_.set_value(); }

  private:
    std::atomic<bool> opened_ = false;
    std::promise<void> reached_, release_;
    std::shared_future<void> released_{release_.get_future()};
};

void check_cancelled(SessionPair& pair, const SessionPair::Reports& reports, Role by) {
    const auto& here = by == Role::source ? reports.source : reports.destination;
    const auto& there = by == Role::source ? reports.destination : reports.source;
    CHECK(here.status == Status::cancelled);
    REQUIRE(here.error);
    CHECK(here.error->code == "cancelled");
    CHECK(here.exit_code() == 9);
    REQUIRE(there.error);
    INFO(there.error->message);
    CHECK(there.status == Status::cancelled);
    CHECK(there.error->code == "cancelled_by_peer");
    CHECK(reports.source.owner == Owner::source);
    CHECK(reports.destination.owner == Owner::source);
    CHECK(pair.source_device(0).now() == DeviceState::running);
    CHECK(pair.destination_device(0).now() == DeviceState::stop);
}

/// Takes packets until their digest has room for no more: so many have come without a gap behind
/// one that the other channel holds.
bool take_all_but_held(Connection& channel) {
    std::uint32_t next = 0, adjacent = 0;
    while (adjacent < SentDigest::kWindow - 1) {
        const auto head = read_exactly(channel, kDeviceStatePrologueBytes);
        if (head.size() < kDeviceStatePrologueBytes) return false;
        const auto header = decode_device_state(std::span(head).first<kDeviceStatePrologueBytes>());
        if (!header) return false;
        if (read_exactly(channel, header->data_bytes).size() < header->data_bytes) return false;
        adjacent = header->idx == next ? adjacent + 1 : 1;
        next = header->idx + 1;
    }
    return true;
}

}  // namespace

TEST_CASE("a cancel while a device call runs returns the devices at both ends",
          "[session][cancel]") {
    struct Case {
        const char* name;
        Role held_at;
        const char* call;
    };
    const auto moment = GENERATE(values<Case>({
        {"P2P", Role::source, "set_state running-p2p"},
        {"stop", Role::source, "set_state stop-copy"},
        {"read", Role::source, "read"},
        {"resuming", Role::destination, "set_state resuming"},
        {"expect", Role::destination, "expect 100000"},
        {"write", Role::destination, "write"},
        {"config", Role::destination, "load_config"},
        {"validation", Role::destination, "set_state stop"},
    }));
    const auto by = GENERATE(Role::source, Role::destination);
    CAPTURE(moment.name, to_string(by));
    Gate gate;
    SessionPair pair;
    auto source = with_state(100'000);
    ScriptedDevice::Script destination;
    (moment.held_at == Role::source ? source : destination).before = gate.at(moment.call);
    pair.add_device("gpu0", source, destination);
    pair.start();
    REQUIRE(gate.reached());

    const auto answer = by == Role::source ? pair.source().cancel() : pair.destination().cancel();
    CHECK(answer == CancelAnswer::accepted);
    gate.open();

    check_cancelled(pair, pair.await(), by);
    // An interrupt before it would be forgotten.
    const bool before_expect = std::string_view(moment.call) == "set_state resuming";
    const auto expect = pair.journal.position("destination/gpu0 expect 100000");
    if (before_expect && by == Role::destination) CHECK(expect == pair.journal.lines().size());
}

TEST_CASE("a destination that waits for a source can be cancelled", "[session][cancel]") {
    TemporaryFolder folder;
    Listener listener({.listen = "unix:" + (folder / "socket")});
    DestinationSettings settings;
    Destination destination(settings,
                            {{"gpu0", 0, MultifdProperty::automatic,
                              std::make_shared<ScriptedDevice>(ScriptedDevice::Script{})}});
    auto report = std::async(std::launch::async, [&] { return destination.run(listener); });
    CHECK(destination.cancel() == CancelAnswer::accepted);
    REQUIRE(report.wait_for(20s) == std::future_status::ready);
    CHECK(report.get().status == Status::cancelled);
}

TEST_CASE("a cancel before run() makes run() return at once", "[session][cancel]") {
    SourceSettings settings;
    settings.to = "unix:/nowhere";
    auto device = std::make_shared<ScriptedDevice>(ScriptedDevice::Script{});
    Source source(settings, {{"gpu0", 0, MultifdProperty::automatic, device}});
    CHECK(source.cancel() == CancelAnswer::accepted);
    const auto report = source.run();
    CHECK(report.status == Status::cancelled);
    CHECK(device->now() == DeviceState::running);
    CHECK(source.cancel() == CancelAnswer::not_running);
}

TEST_CASE("after Loaded the destination's cancel is a request that the source answers",
          "[session][cancel]") {
    struct Waiting final : Host {
        std::promise<void> reached;
        CallResult about_to_commit(std::stop_token cancel) override {
            reached.set_value();
            std::promise<void> stopped;
            const std::stop_callback on_stop(cancel, [&] { stopped.set_value(); });
            stopped.get_future().wait_for(20s);
            return CallResult::failure(std::errc::operation_canceled, "the host was told to stop");
        }
    } host;
    SessionPair pair;
    pair.source_host = &host;
    pair.add_device("gpu0", with_state(10'000));
    pair.start();
    REQUIRE(host.reached.get_future().wait_for(20s) == std::future_status::ready);

    CHECK(pair.destination().cancel() == CancelAnswer::requested);

    const auto reports = pair.await();
    CHECK(reports.source.status == Status::cancelled);
    CHECK(reports.source.error->code == "cancelled_by_peer");
    CHECK(reports.destination.owner == Owner::source);
    CHECK(pair.source_device(0).now() == DeviceState::running);
    CHECK(pair.destination_device(0).now() == DeviceState::stop);
}

TEST_CASE("a device that waits for a packet which one channel holds comes back when that ends",
          "[session][cancel]") {
    const bool cancels = GENERATE(true, false);
    CAPTURE(cancels);
    RunningSource source;
    ScriptedDestination destination;  // Ends first, so that the source never waits for it.
    auto script = scripted_state();
    script.state = pattern(3 * SentDigest::kWindow * source.settings.packet_size);
    source.device = std::make_shared<ScriptedDevice>(script);
    if (!cancels) source.settings.stall_timeout = 500ms;
    source.start(destination.address());
    destination.greet();
    // Channel 0 fills its socket, and holds the next packet.
    REQUIRE(take_all_but_held(destination.channels[1]));

    const auto before = Clock::now();
    if (cancels) {
        CHECK(source.source().cancel() == CancelAnswer::accepted);
    } else {
        destination.stand_still();
    }

    const auto report = source.await();
    CHECK(Clock::now() - before < kPatience / 4);
    REQUIRE(report.error);
    INFO(report.error->message);
    CHECK(report.error->code == (cancels ? "cancelled" : "stall_timeout"));
    CHECK(report.status == (cancels ? Status::cancelled : Status::failed));
    CHECK(report.owner == Owner::source);
    // Only a device whose thread has come back is asked to run again.
    CHECK(source.device->now() == DeviceState::running);
    CHECK(source.decision() == Decision::resumed);
}

}  // namespace multifd
