// A destination before sources that say too little, too much, or something else.
#include <catch2/catch.hpp>

#include "channels/wire/device_state_packet.hpp"
#include "tests/engine/sessions/scripted_peer.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

/// A destination that waits, and a source that has connected its main channel.
struct Scene {
    RunningDestination destination;
    std::optional<ScriptedSource>
        source;  // Ends first, so that the destination never waits for it.
    void start() {
        destination.start();
        source.emplace(destination.address());
    }
};

void check_clean(RunningDestination& destination, const Report& report, const char* code) {
    REQUIRE(report.error);
    INFO(report.error->message);
    CHECK(report.error->code == code);
    CHECK(report.owner == Owner::source);
    CHECK(destination.device->now() != DeviceState::resuming);
    CHECK(destination.device->received().empty());
    CHECK(destination.device->received_config().empty());
}

void check_holds_state(RunningDestination& destination, const ScriptedSource& source) {
    CHECK(destination.device->now() == DeviceState::stop);
    CHECK(destination.device->received() == source.state);
    CHECK(destination.device->received_config() == source.config);
    CHECK(destination.decision() == Decision::loaded);
}

std::vector<std::byte> junk(std::size_t size) {
    return std::vector<std::byte>(size, std::byte{0xab});
}

}  // namespace

TEST_CASE("the script of a source that does everything right is a migration", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.source->greet();
    scene.source->be_loaded();
    CHECK(scene.destination.device->now() == DeviceState::stop);
    scene.source->records().command(kCommandCommit);
    scene.source->flush();
    scene.source->hear(ReturnPathType::running);
    const auto report = scene.destination.await();
    CHECK(report.status == Status::completed);
    CHECK(report.owner == Owner::destination);
    CHECK(scene.destination.device->now() == DeviceState::running);
    CHECK(scene.destination.device->received() == scene.source->state);
    CHECK(scene.destination.decision() == Decision::running);
}

TEST_CASE("a source that dies after Loaded leaves the destination in doubt, with the state",
          "[session][peer]") {
    Scene scene;
    scene.start();
    scene.source->greet();
    scene.source->be_loaded();
    SECTION("it dies") {
        scene.source->close_all();
    }
    SECTION("it speaks garbage") {
        REQUIRE(write_all(scene.source->main, junk(100)));
    }
    const auto report = scene.destination.await();
    CHECK(report.status == Status::unknown_owner);
    CHECK(report.owner == Owner::unknown);
    CHECK_FALSE(report.retry_safe);
    REQUIRE(report.error);
    CHECK(report.error->code == "unknown_owner");
    CHECK(report.error->exit_code == static_cast<int>(ExitCode::unknown_owner));
    check_holds_state(scene.destination, *scene.source);
}

TEST_CASE("a destination that holds in doubt waits for the operator", "[session][peer]") {
    Scene scene;
    scene.destination.settings.on_unknown_owner = OnUnknownOwner::hold;
    scene.start();
    scene.source->greet();
    scene.source->be_loaded();
    scene.source->close_all();
    REQUIRE(scene.destination.await_status(Status::unknown_owner));
    CHECK_FALSE(scene.destination.ended());
    CHECK(scene.destination.destination().cancel() == CancelAnswer::in_doubt);
    const auto report = scene.destination.await();
    CHECK(report.status == Status::unknown_owner);
    CHECK(report.owner == Owner::unknown);
    check_holds_state(scene.destination, *scene.source);
}

TEST_CASE("a late word still ends the doubt of a destination that holds", "[session][peer]") {
    Scene scene;
    scene.destination.settings.on_unknown_owner = OnUnknownOwner::hold;
    scene.destination.settings.stall_timeout = 300ms;
    scene.start();
    scene.source->greet();
    scene.source->be_loaded();
    scene.source->fall_silent();
    REQUIRE(scene.destination.await_status(Status::unknown_owner));
    check_holds_state(scene.destination, *scene.source);
    SECTION("Commit") {
        scene.source->records().command(kCommandCommit);
        scene.source->flush();
        scene.source->hear(ReturnPathType::running);
        const auto report = scene.destination.await();
        CHECK(report.status == Status::completed);
        CHECK(report.owner == Owner::destination);
        CHECK(scene.destination.device->now() == DeviceState::running);
    }
    SECTION("Abort") {
        scene.source->records().command(kCommandAbort);
        scene.source->flush();
        const auto report = scene.destination.await();
        CHECK(report.status == Status::failed);
        check_clean(scene.destination, report, "peer_failed");
    }
}

TEST_CASE("an Abort after Loaded leaves the destination clean, whatever it says",
          "[session][peer]") {
    struct Case {
        const char* name;
        std::vector<std::byte> body;
        const char* code;
        Status status;
    };
    PeerError failed;
    failed.code = "device_failed";
    failed.message = "no disk";
    PeerError cancelled;
    cancelled.code = "cancelled";
    const auto one = GENERATE_COPY(values<Case>({
        {"nothing", {}, "peer_failed", Status::failed},
        {"a failure", encode(failed), "peer_failed", Status::failed},
        {"a cancel", encode(cancelled), "cancelled_by_peer", Status::cancelled},
        {"junk", junk(100), "peer_failed", Status::failed},
    }));
    INFO(one.name);
    Scene scene;
    scene.start();
    scene.source->greet();
    scene.source->be_loaded();
    scene.source->records().command(kCommandAbort, one.body);
    scene.source->flush();
    const auto report = scene.destination.await();
    CHECK(report.status == one.status);
    CHECK(report.retry_safe);
    check_clean(scene.destination, report, one.code);
    CHECK(scene.destination.device->now() == DeviceState::stop);
    CHECK(scene.destination.decision() == Decision::clean);
}

TEST_CASE("an Abort counts although the source has closed before Loaded could be said",
          "[session][peer]") {
    Scene scene;
    std::promise<void> closed;
    const std::shared_future<void> after(closed.get_future());
    ScriptedDevice::Script script;
    script.before = [after](const std::string& call) {
        if (call == "set_state stop") after.wait_for(kPatience);
        return CallResult::success();
    };
    scene.destination.device = std::make_shared<ScriptedDevice>(script);
    scene.start();
    scene.source->greet();
    scene.source->send_state();
    scene.source->say_table(scene.source->table());
    scene.source->records().command(kCommandAbort);
    scene.source->flush();
    scene.source->main = Connection();
    closed.set_value();
    const auto report = scene.destination.await();
    CHECK(report.status == Status::failed);
    check_clean(scene.destination, report, "peer_failed");
    CHECK(scene.destination.device->now() == DeviceState::stop);
}

TEST_CASE("a Commit before everything is loaded is no Commit", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.source->greet();
    SECTION("before anything") {
        scene.source->records().command(kCommandCommit);
        scene.source->flush();
    }
    SECTION("before EOF") {
        scene.source->send_start();
        scene.source->records().command(kCommandCommit);
        scene.source->flush();
    }
    SECTION("instead of VERIFY") {
        scene.source->send_state();
        scene.source->records().command(kCommandCommit);
        scene.source->flush();
    }
    const auto report = scene.destination.await();
    check_clean(scene.destination, report, "command_unexpected");
    CHECK(report.error->exit_code == static_cast<int>(ExitCode::protocol_violation));
    CHECK(scene.destination.device->now() == DeviceState::stop);
    CHECK(scene.source->hear_error().code == "command_unexpected");
}

TEST_CASE("a source that sent something else than arrived is told so", "[session][peer]") {
    struct Case {
        const char* name;
        void (*spoil)(std::vector<VerifyEntry>&);
        const char* code;
    };
    const auto one = GENERATE(values<Case>({
        {"packets", [](auto& table) { ++table[0].packets; }, "count_mismatch"},
        {"bytes", [](auto& table) { --table[0].bytes; }, "count_mismatch"},
        {"digest", [](auto& table) { table[0].digest ^= 1; }, "digest_mismatch"},
        {"no device", [](auto& table) { table.clear(); }, "count_mismatch"},
        {"no such device", [](auto& table) { table[0].device = 7; }, "message_malformed"},
        {"too many devices", [](auto& table) { table.resize(4097, table[0]); },
         "message_malformed"},
    }));
    INFO(one.name);
    Scene scene;
    scene.start();
    scene.source->greet();
    scene.source->send_state();
    auto table = scene.source->table();
    one.spoil(table);
    scene.source->say_table(table);
    const auto report = scene.destination.await();
    check_clean(scene.destination, report, one.code);
    CHECK(scene.source->hear_error().code == one.code);
}

TEST_CASE("garbage from a source ends the migration with its name", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.source->greet();
    scene.source->send_start();
    const char* code = "";
    std::optional<std::uint32_t> channel;
    SECTION("the main channel") {
        REQUIRE(write_all(scene.source->main, junk(1000)));
        code = "section_type_unknown";
    }
    SECTION("the control connection") {
        REQUIRE(write_all(scene.source->control, junk(1000)));
        code = "return_path_type_unknown";
    }
    SECTION("a channel") {
        REQUIRE(write_all(scene.source->channels[1], junk(1000)));
        code = "packet_magic_wrong";
        channel = 1;
    }
    const auto report = scene.destination.await();
    check_clean(scene.destination, report, code);
    CHECK(report.error->exit_code == static_cast<int>(ExitCode::protocol_violation));
    CHECK(report.error->channel == channel);
}

TEST_CASE("garbage instead of a greeting is refused before any device is touched",
          "[session][peer]") {
    Scene scene;
    scene.start();
    const char* code = "";
    SECTION("behind the header") {
        scene.source->open();
        scene.source->await_hello();
        REQUIRE(write_all(scene.source->main, junk(1000)));
        code = "section_type_unknown";
    }
    SECTION("64 KiB of junk as a hello") {
        scene.source->open();
        scene.source->await_hello();
        scene.source->records().command(kCommandHello, junk(65535));
        scene.source->flush();
        code = "hello_malformed";
    }
    SECTION("a second hello") {
        scene.source->open();
        scene.source->await_hello();
        scene.source->records().command(kCommandHello, scene.source->hello());
        scene.source->say_hello();
        code = "hello_unexpected";
    }
    SECTION("a section") {
        scene.source->open();
        scene.source->await_hello();
        scene.source->send_start();
        code = "hello_missing";
    }
    SECTION("a commit") {
        scene.source->open();
        scene.source->await_hello();
        scene.source->records().command(kCommandCommit);
        scene.source->flush();
        code = "command_unexpected";
    }
    const auto report = scene.destination.await();
    REQUIRE(report.error);
    CHECK(report.error->code == code);
    CHECK(report.owner == Owner::source);
    CHECK(scene.destination.device->now() == DeviceState::running);  // As it was made.
}

TEST_CASE("a second hello behind READY is refused", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.source->greet();
    scene.source->say_hello();
    check_clean(scene.destination, scene.destination.await(), "hello_unexpected");
}

TEST_CASE("a packet of another device is refused, and the source is told", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.source->greet();
    scene.source->send_start();
    std::array<std::byte, kDeviceStatePrologueBytes> head;
    encode(
        DeviceStateHeader{
            .idstr = "gpu9", .instance_id = 0, .idx = 0, .config = false, .data_bytes = 10},
        head);
    REQUIRE(write_all(scene.source->channels[1], head));
    const auto report = scene.destination.await();
    check_clean(scene.destination, report, "device_unknown");
    CHECK(report.error->channel == 1U);
    CHECK_THAT(report.error->message, Catch::Contains("gpu9"));
    CHECK(scene.source->hear_error().code == "device_unknown");
}

TEST_CASE("a packet behind the end of its channel is unexpected", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.source->greet();
    scene.source->send_start();
    std::array<std::byte, kPacketPrefixBytes> mark;
    encode_channel_end(mark);
    REQUIRE(write_all(scene.source->channels[1], mark));
    REQUIRE(write_all(scene.source->channels[1], mark));
    const auto report = scene.destination.await();
    check_clean(scene.destination, report, "packet_unexpected");
    CHECK(report.error->channel == 1U);
}

TEST_CASE("a source that falls silent is noticed, though its connections stand",
          "[session][peer]") {
    Scene scene;
    scene.destination.settings.stall_timeout = 300ms;
    scene.start();
    scene.source->greet();
    scene.source->send_start();
    scene.source->fall_silent();
    const auto report = scene.destination.await();
    check_clean(scene.destination, report, "peer_silent");
    CHECK(report.status == Status::failed);
    CHECK(scene.source->hear_error().code == "peer_silent");
}

TEST_CASE("a source that does not greet in time is left", "[session][peer]") {
    Scene scene;
    scene.destination.settings.connect_timeout = 700ms;
    scene.start();
    SECTION("no hello") {
        scene.source->open();
    }
    SECTION("no channels") {
        scene.source->open();
        scene.source->await_hello();
        scene.source->say_hello();
    }
    const auto report = scene.destination.await();
    REQUIRE(report.error);
    CHECK(report.error->code == "connect_timeout");
    CHECK(report.owner == Owner::source);
}

TEST_CASE("a source that aborts before its hello leaves a cancelled destination",
          "[session][peer]") {
    PeerError reason;
    reason.code = "cancelled";
    Scene scene;
    scene.start();
    scene.source->open();
    scene.source->await_hello();
    scene.source->records().command(kCommandAbort, encode(reason));
    scene.source->flush();
    const auto report = scene.destination.await();
    CHECK(report.status == Status::cancelled);
    REQUIRE(report.error);
    CHECK(report.error->code == "cancelled_by_peer");
}

TEST_CASE("a source that dies before Loaded leaves a clean destination", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.source->greet();
    SECTION("while it prepares") {
        scene.source->close_all();
    }
    SECTION("with half of the state sent") {
        scene.source->send_start();
        scene.source->records().switchover_start();
        scene.source->flush();
        scene.source->send_packets();
        scene.source->close_all();
    }
    SECTION("with everything sent but its table") {
        scene.source->send_state();
        scene.source->close_all();
    }
    const auto report = scene.destination.await();
    check_clean(scene.destination, report, "peer_closed");
    CHECK(report.retry_safe);
    CHECK(scene.destination.device->now() == DeviceState::stop);
}

}  // namespace multifd
