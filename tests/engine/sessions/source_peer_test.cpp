// A source before destinations that say too little, too much, or something else.
#include <catch2/catch.hpp>

#include "engine/packets/transfer_digest.hpp"
#include "tests/engine/sessions/scripted_peer.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

struct Scene {
    RunningSource source;
    ScriptedDestination destination;  // Ends first, so that the source never waits for it.
    Scene() = default;
    void start() { source.start(destination.address()); }
};

void check_survival(RunningSource& source, const Report& report, const char* code) {
    REQUIRE(report.error);
    INFO(report.error->message);
    CHECK(report.error->code == code);
    CHECK(report.status == Status::failed);
    CHECK(report.owner == Owner::source);
    CHECK(report.retry_safe);
    CHECK(source.device->now() == DeviceState::running);
}

/// The error that an Abort carries.
std::string code_in(std::span<const std::byte> abort) {
    const auto error = decode_peer_error(abort);
    return error ? error->code : std::string();
}

std::vector<std::byte> junk(std::size_t size) {
    return std::vector<std::byte>(size, std::byte{0xab});
}

}  // namespace

TEST_CASE("the script of a destination that does everything right is a migration",
          "[session][peer]") {
    Scene scene;
    scene.start();
    scene.destination.greet();
    const auto table = scene.destination.await_table();
    scene.destination.say_loaded(table);
    scene.destination.await_command(kCommandCommit);
    CHECK(scene.source.device->now() == DeviceState::stop_copy);
    scene.destination.say(ReturnPathType::running);
    const auto report = scene.source.await();
    CHECK(report.status == Status::completed);
    CHECK(report.owner == Owner::destination);
    CHECK(scene.source.device->now() == DeviceState::stop);
    CHECK(scene.source.decision() == Decision::given_up);
    REQUIRE(table.size() == 1);
    CHECK(table[0].packets == 4);
    CHECK(table[0].bytes == 10'064);
    CHECK(digest_text(table[0].digest) == report.devices[0].transfer_digest);
}

TEST_CASE("a destination that answers without a hello is taken for QEMU", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.destination.meet_source();
    scene.destination.say(ReturnPathType::pong, encode_u32(kHelloPing));
    const auto report = scene.source.await();
    check_survival(scene.source, report, "hello_missing");
    CHECK(report.error->exit_code == static_cast<int>(ExitCode::disagreement));
    CHECK_THAT(report.error->message, Catch::Contains("--peer qemu"));
}

TEST_CASE("a hello that makes no sense is named", "[session][peer]") {
    struct Case {
        const char* name;
        std::vector<std::byte> body;
        const char* code;
    };
    Hello nameless;
    nameless.devices.push_back({.identity = {"gpu0", 0}});
    const auto one = GENERATE_COPY(values<Case>({
        {"64 KiB of junk", junk(65535), "hello_malformed"},
        {"empty", {}, "return_path_length_wrong"},
        {"without a session", encode(nameless).value(), "hello_malformed"},
    }));
    INFO(one.name);
    Scene scene;
    scene.start();
    scene.destination.meet_source();
    scene.destination.say(ReturnPathType::hello, one.body);
    scene.destination.say(ReturnPathType::pong, encode_u32(kHelloPing));
    check_survival(scene.source, scene.source.await(), one.code);
}

TEST_CASE("a second hello is refused, at once or later", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.destination.meet_source();
    SECTION("at once") {
        scene.destination.say(ReturnPathType::hello, encode(scene.destination.hello).value());
        scene.destination.say_hello();
    }
    SECTION("before READY") {
        scene.destination.say_hello();
        scene.destination.let_in();
        scene.destination.say(ReturnPathType::hello, encode(scene.destination.hello).value());
        scene.destination.say(ReturnPathType::ready);
    }
    SECTION("with everything loaded") {
        scene.destination.say_hello();
        scene.destination.let_in();
        scene.destination.say(ReturnPathType::ready);
        const auto table = scene.destination.await_table();
        scene.destination.say(ReturnPathType::hello, encode(scene.destination.hello).value());
        scene.destination.say_loaded(table);
    }
    check_survival(scene.source, scene.source.await(), "hello_unexpected");
}

TEST_CASE("a destination that greets and disagrees is told why it ended", "[session][peer]") {
    Scene scene;
    scene.destination.hello.devices[0].identity.idstr = "another";
    scene.start();
    scene.destination.meet_source();
    scene.destination.say_hello();
    const auto report = scene.source.await();
    check_survival(scene.source, report, "devices_disagree");
    CHECK(code_in(scene.destination.await_command(kCommandAbort)) == "devices_disagree");
}

TEST_CASE("a refusal is told with the destination's own words", "[session][peer]") {
    PeerError reason;
    reason.code = "device_failed";
    reason.message = "no disk";
    Scene scene;
    scene.start();
    scene.destination.meet_source();
    scene.destination.say_hello();
    SECTION("before the channels") {
        scene.destination.say(ReturnPathType::refused, encode(reason));
    }
    SECTION("instead of READY") {
        scene.destination.let_in();
        scene.destination.say(ReturnPathType::refused, encode(reason));
    }
    SECTION("instead of LOADED") {
        scene.destination.let_in();
        scene.destination.say(ReturnPathType::ready);
        scene.destination.await_table();
        scene.destination.say(ReturnPathType::refused, encode(reason));
    }
    const auto report = scene.source.await();
    check_survival(scene.source, report, "peer_failed");
    CHECK_THAT(report.error->message, Catch::Contains("no disk"));
}

TEST_CASE("a destination that falls silent is noticed, though its connections stand",
          "[session][peer]") {
    Scene scene;
    scene.source.settings.stall_timeout = 300ms;
    scene.start();
    scene.destination.greet();
    scene.destination.fall_silent();
    const auto before = Clock::now();
    const auto report = scene.source.await();
    check_survival(scene.source, report, "peer_silent");
    CHECK(report.error->exit_code == static_cast<int>(ExitCode::timeout));
    CHECK(Clock::now() - before < kPatience / 2);
    CHECK(code_in(scene.destination.await_command(kCommandAbort)) == "peer_silent");
}

TEST_CASE("a destination that does not greet in time is left", "[session][peer]") {
    Scene scene;
    scene.source.settings.connect_timeout = 700ms;
    scene.start();
    SECTION("no hello") {
        scene.destination.meet_source();
    }
    SECTION("no consent") {
        scene.destination.meet_source();
        scene.destination.say_hello();
    }
    check_survival(scene.source, scene.source.await(), "connect_timeout");
}

TEST_CASE("a destination that loaded something else is aborted, and the devices go on",
          "[session][peer]") {
    struct Case {
        const char* name;
        void (*spoil)(std::vector<VerifyEntry>&);
        const char* code;
    };
    const auto one = GENERATE(values<Case>({
        {"packets", [](auto& table) { ++table[0].packets; }, "count_mismatch"},
        {"bytes", [](auto& table) { --table[0].bytes; }, "count_mismatch"},
        {"digest", [](auto& table) { table[0].digest ^= 1; }, "digest_mismatch"},
        {"a device is missing", [](auto& table) { table.clear(); }, "count_mismatch"},
        {"another device", [](auto& table) { table[0].device = 7; }, "count_mismatch"},
    }));
    INFO(one.name);
    Scene scene;
    scene.start();
    scene.destination.greet();
    auto table = scene.destination.await_table();
    one.spoil(table);
    scene.destination.say_loaded(table);
    CHECK(code_in(scene.destination.await_command(kCommandAbort)) == one.code);
    const auto report = scene.source.await();
    check_survival(scene.source, report, one.code);
    CHECK(report.error->exit_code == static_cast<int>(ExitCode::verification));
    CHECK(scene.source.decision() == Decision::resumed);
}

TEST_CASE("garbage from a destination ends the migration with its name", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.destination.meet_source();
    SECTION("the return path, instead of a hello") {
        REQUIRE(write_all(scene.destination.main, junk(1000)));
    }
    SECTION("the return path, instead of LOADED") {
        scene.destination.say_hello();
        scene.destination.let_in();
        scene.destination.say(ReturnPathType::ready);
        scene.destination.await_table();
        REQUIRE(write_all(scene.destination.main, junk(1000)));
    }
    SECTION("the control connection") {
        scene.destination.say_hello();
        scene.destination.let_in();
        REQUIRE(write_all(scene.destination.control, junk(1000)));
    }
    const auto report = scene.source.await();
    check_survival(scene.source, report, "return_path_type_unknown");
    CHECK(report.error->exit_code == static_cast<int>(ExitCode::protocol_violation));
}

TEST_CASE("a destination that dies before the commit leaves the devices to the source",
          "[session][peer]") {
    Scene scene;
    scene.start();
    scene.destination.greet();
    SECTION("while it loads") {
        scene.destination.close_all();
    }
    SECTION("with everything, before LOADED") {
        scene.destination.await_table();
        scene.destination.close_all();
    }
    check_survival(scene.source, scene.source.await(), "peer_closed");
}

TEST_CASE("after the commit a cut main channel means doubt, and nothing runs", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.destination.be_committed();
    scene.destination.close_all();
    const auto report = scene.source.await();
    CHECK(report.status == Status::unknown_owner);
    CHECK(report.owner == Owner::unknown);
    CHECK_FALSE(report.retry_safe);
    REQUIRE(report.error);
    CHECK(report.error->code == "unknown_owner");
    CHECK(report.error->exit_code == static_cast<int>(ExitCode::unknown_owner));
    CHECK(scene.source.device->now() == DeviceState::stop);
    CHECK(scene.source.decision() == Decision::commit_decided);
}

TEST_CASE("a source that holds in doubt waits for the operator", "[session][peer]") {
    Scene scene;
    scene.source.settings.on_unknown_owner = OnUnknownOwner::hold;
    scene.start();
    scene.destination.be_committed();
    CHECK(scene.source.source().cancel() == CancelAnswer::too_late);
    SECTION("the peer is gone") {
        scene.destination.close_all();
    }
    SECTION("the peer speaks garbage") {
        REQUIRE(write_all(scene.destination.main, junk(1000)));
    }
    REQUIRE(scene.source.await_status(Status::unknown_owner));
    CHECK_FALSE(scene.source.ended());
    CHECK(scene.source.source().cancel() == CancelAnswer::in_doubt);
    const auto report = scene.source.await();
    CHECK(report.status == Status::unknown_owner);
    CHECK(report.owner == Owner::unknown);
    CHECK(scene.source.device->now() == DeviceState::stop);
    CHECK(scene.source.decision() == Decision::commit_decided);
}

TEST_CASE("a late answer still ends the doubt of a source that holds", "[session][peer]") {
    Scene scene;
    scene.source.settings.on_unknown_owner = OnUnknownOwner::hold;
    scene.source.settings.stall_timeout = 300ms;
    scene.start();
    scene.destination.be_committed();
    scene.destination.fall_silent();
    REQUIRE(scene.source.await_status(Status::unknown_owner));
    CHECK(scene.source.device->now() == DeviceState::stop);
    SECTION("it runs") {
        scene.destination.say(ReturnPathType::running);
        const auto report = scene.source.await();
        CHECK(report.status == Status::completed);
        CHECK(report.owner == Owner::destination);
        CHECK(scene.source.device->now() == DeviceState::stop);
        CHECK(scene.source.decision() == Decision::given_up);
    }
    SECTION("it has refused") {
        scene.destination.say(ReturnPathType::refused);
        const auto report = scene.source.await();
        CHECK(report.status == Status::failed);
        CHECK(report.owner == Owner::source);
        CHECK(scene.source.device->now() == DeviceState::running);
        CHECK(scene.source.decision() == Decision::resumed);
    }
}

TEST_CASE("a refusal after the commit gives the devices back", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.destination.be_committed();
    scene.destination.say(ReturnPathType::refused);
    const auto report = scene.source.await();
    check_survival(scene.source, report, "commit_refused");
    CHECK(scene.source.decision() == Decision::resumed);
}

TEST_CASE("a cancel between the destination's hello and the source's is told", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.destination.meet_source();
    scene.destination.say(ReturnPathType::hello, encode(scene.destination.hello).value());
    // Without its PONG the source says no hello of its own.
    CHECK(scene.source.source().cancel() == CancelAnswer::accepted);
    const auto report = scene.source.await();
    CHECK(report.status == Status::cancelled);
    CHECK(code_in(scene.destination.await_command(kCommandAbort)) == "cancelled");
}

TEST_CASE("a destination's cancel is granted before the commit", "[session][peer]") {
    Scene scene;
    scene.start();
    scene.destination.greet();
    scene.destination.await_table();
    std::vector<std::byte> request;
    append_message(request, ControlType::cancel_request);
    REQUIRE(write_all(scene.destination.control, request));
    const auto report = scene.source.await();
    CHECK(report.status == Status::cancelled);
    REQUIRE(report.error);
    CHECK(report.error->code == "cancelled_by_peer");
    CHECK(scene.source.device->now() == DeviceState::running);
    CHECK(code_in(scene.destination.await_command(kCommandAbort)) == "cancelled_by_peer");
}

}  // namespace multifd
