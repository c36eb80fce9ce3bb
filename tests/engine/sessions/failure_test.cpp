// Whatever fails, at whichever end: the source survives, the destination is clean, the cause is
// named.
#include <catch2/catch.hpp>
#include <future>
#include <new>
#include <stdexcept>

#include "engine/ownership/session_record.hpp"
#include "tests/engine/sessions/session_pair.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

ScriptedDevice::Script failing(const std::string& at, std::function<CallResult()> how) {
    auto script = with_state(100'000);
    script.before = [at, how = std::move(how)](const std::string& call) {
        return call == at ? how() : CallResult::success();
    };
    return script;
}

CallResult fail_with_words() {
    return CallResult::failure(std::errc::io_error, "the disk fell off");
}

void check_survival(SessionPair& pair, const SessionPair::Reports& reports) {
    CHECK(reports.source.owner == Owner::source);
    CHECK(reports.source.status == Status::failed);
    CHECK(reports.source.retry_safe);
    CHECK(pair.source_device(0).now() == DeviceState::running);
    CHECK(reports.destination.owner == Owner::source);
    CHECK(reports.destination.status == Status::failed);
    CHECK(pair.destination_device(0).now() != DeviceState::running_p2p);
    CHECK(pair.destination_device(0).now() != DeviceState::resuming);
    CHECK(pair.journal.position("destination/gpu0 is running") == pair.journal.lines().size());
}

}  // namespace

TEST_CASE("a device call that fails or throws fails one migration, with its name and words",
          "[session]") {
    struct Case {
        const char* name;
        Role role;
        const char* call;
        std::function<CallResult()> how;
        const char* code;
    };
    const auto throws = []() -> CallResult { throw std::runtime_error("the disk fell off"); };
    const auto exhausts = []() -> CallResult { throw std::bad_alloc(); };
    const auto broken = GENERATE_COPY(values<Case>({
        {"read", Role::source, "read", fail_with_words, "device_failed"},
        {"read throws", Role::source, "read", throws, "device_threw"},
        {"read has no memory", Role::source, "read", exhausts, "memory_exhausted"},
        {"stop", Role::source, "set_state stop-copy", fail_with_words, "device_failed"},
        {"config", Role::source, "save_config", fail_with_words, "device_failed"},
        {"expect", Role::destination, "expect 100000", fail_with_words, "device_failed"},
        {"expect throws", Role::destination, "expect 100000", throws, "device_threw"},
        {"write", Role::destination, "write", fail_with_words, "device_failed"},
        {"write throws", Role::destination, "write", throws, "device_threw"},
        {"resuming", Role::destination, "set_state resuming", fail_with_words, "device_failed"},
        {"load config", Role::destination, "load_config", fail_with_words, "device_failed"},
        {"validation", Role::destination, "set_state stop", fail_with_words,
         "device_rejected_state"},
    }));
    INFO(broken.name);
    SessionPair pair;
    const bool at_source = broken.role == Role::source;
    auto spoiled = failing(broken.call, broken.how);
    pair.add_device("gpu0", at_source ? spoiled : with_state(100'000),
                    at_source ? ScriptedDevice::Script{} : spoiled);

    const auto reports = pair.run();

    check_survival(pair, reports);
    const auto& here = at_source ? reports.source : reports.destination;
    const auto& there = at_source ? reports.destination : reports.source;
    REQUIRE(here.error);
    REQUIRE(there.error);
    CHECK(here.error->code == broken.code);
    CHECK(here.error->device == "gpu0");
    CHECK(there.error->code == "peer_failed");
    CHECK(there.error->message.find(broken.code) != std::string::npos);
    if (here.error->code != "memory_exhausted") {
        CHECK(here.error->message.find("the disk fell off") != std::string::npos);
        CHECK(there.error->message.find("the disk fell off") != std::string::npos);
    }
}

TEST_CASE("a destination's device hears how much will come before the source's is stopped",
          "[session]") {
    const bool has_room = GENERATE(true, false);
    CAPTURE(has_room);
    SessionPair pair;
    pair.add_device("gpu0", with_state(100'000), failing("expect 100000", [&] {
                        return has_room ? CallResult::success() : fail_with_words();
                    }));
    const auto reports = pair.run();
    CHECK((reports.source.status == Status::completed) == has_room);
    const auto& journal = pair.journal;
    const auto told = journal.position("destination/gpu0 expect 100000");
    CHECK(journal.position("destination/gpu0 is resuming") < told);
    CHECK(told < journal.position("source/gpu0 set_state running-p2p"));
    if (!has_room)
        CHECK(journal.position("source/gpu0 set_state running-p2p") == journal.lines().size());
}

TEST_CASE("a device call that never returns is named and left behind", "[session]") {
    const auto [role, call] =
        GENERATE(table<Role, const char*>({{Role::source, "read"},
                                           {Role::destination, "write"},
                                           {Role::destination, "expect 100000"}}));
    CAPTURE(to_string(role), call);
    auto release = std::make_shared<std::promise<void>>();
    const std::shared_future<void> released(release->get_future());
    const auto stuck = failing(call, [released] {
        released.wait();
        return CallResult::success();
    });
    SessionPair pair;
    pair.source_settings.stall_timeout = pair.destination_settings.stall_timeout = 300ms;
    const bool at_source = role == Role::source;
    pair.add_device("gpu0", at_source ? stuck : with_state(100'000),
                    at_source ? ScriptedDevice::Script{} : stuck);
    pair.add_device("gpu1", with_state(100'000));

    const auto reports = pair.run();

    const auto& here = at_source ? reports.source : reports.destination;
    REQUIRE(here.error);
    CHECK(here.error->code == "device_stuck");
    CHECK(here.error->device == "gpu0");
    CHECK(here.devices[0].final_state == "unknown");
    CHECK(here.next_step.find("gpu0") != std::string::npos);
    CHECK(pair.source_device(1).now() == DeviceState::running);
    release->set_value();
}

TEST_CASE("a standstill that is nobody's call is a stall, with device and idx", "[session]") {
    // Nothing is stuck in a call: the device says "0 bytes for now" for ever by returning at once.
    SessionPair pair;
    pair.source_settings.stall_timeout = pair.destination_settings.stall_timeout = 300ms;
    auto script = with_state(10'000);
    script.traits.pre_copy = true;
    script.pre_copy = {.initial_bytes = 1, .dirty_bytes = 0};
    pair.source_settings.switchover_ack = true;
    pair.add_device("gpu0", script);
    const auto reports = pair.run();
    REQUIRE(reports.source.error);
    CHECK(reports.source.error->code == "stall_timeout");
    CHECK(reports.source.error->exit_code == 8);
    CHECK(pair.source_device(0).now() == DeviceState::running);
}

TEST_CASE("pre-copy that never converges ends by the phase's limit", "[session]") {
    SessionPair pair;
    pair.source_settings.phase_timeout = 400ms;
    pair.source_settings.downtime_limit = 0ms;
    auto script = with_state(10'000'000);
    script.traits.pre_copy = true;
    script.pre_copy = {.initial_bytes = 0, .dirty_bytes = 10'000'000};
    pair.add_device("gpu0", script);
    const auto reports = pair.run();
    REQUIRE(reports.source.error);
    CHECK(reports.source.error->code == "phase_timeout");
    CHECK(pair.source_device(0).now() == DeviceState::running);
}

TEST_CASE("a config state over 1 MiB is refused at the source", "[session]") {
    SessionPair pair;
    auto script = with_state(10);
    script.config = pattern((1U << 20U) + 1);
    pair.add_device("gpu0", script);
    const auto reports = pair.run();
    REQUIRE(reports.source.error);
    CHECK(reports.source.error->code == "config_too_large");
    CHECK(pair.source_device(0).now() == DeviceState::running);
}

TEST_CASE("a destination that can start no device gives it back", "[session]") {
    SessionPair pair;
    pair.add_device("gpu0", with_state(10'000), failing("set_state running-p2p", fail_with_words));
    const auto reports = pair.run();
    REQUIRE(reports.source.error);
    CHECK(reports.source.owner == Owner::source);
    CHECK(pair.source_device(0).now() == DeviceState::running);
    CHECK(pair.destination_device(0).now() != DeviceState::running);
    CHECK(reports.destination.owner == Owner::source);
    CHECK(reports.source.error->message.find("the disk fell off") != std::string::npos);
}

TEST_CASE("a destination that could start some devices owns them all", "[session]") {
    SessionPair pair;
    pair.add_device("gpu0", with_state(10'000));
    pair.add_device("gpu1", with_state(10'000), failing("set_state running-p2p", fail_with_words));
    const auto reports = pair.run();
    CHECK(reports.source.status == Status::completed);
    CHECK(reports.source.owner == Owner::destination);
    CHECK(pair.source_device(0).now() == DeviceState::stop);
    CHECK(reports.destination.owner == Owner::destination);
    REQUIRE(reports.destination.error);
    CHECK(reports.destination.error->message.find("gpu1") != std::string::npos);
}

TEST_CASE("a record that cannot be written stops the migration before anything is stopped",
          "[session]") {
    SessionPair pair;
    pair.source_settings.state_dir = "/proc/no-such-folder";
    pair.add_device("gpu0", with_state(10'000));
    const auto reports = pair.run();
    REQUIRE(reports.source.error);
    CHECK(reports.source.error->code == "record_failed");
    CHECK(pair.source_device(0).now() == DeviceState::running);
}

TEST_CASE("after a migration the records of both ends name the destination", "[session]") {
    SessionPair pair;
    pair.add_device("gpu0", with_state(10'000));
    const auto reports = pair.run();
    const auto source = read(pair.record_folder(Role::source), reports.source.session);
    const auto destination = read(pair.record_folder(Role::destination), reports.source.session);
    REQUIRE(source.has_value());
    REQUIRE(destination.has_value());
    REQUIRE(source->records.size() == 1);
    REQUIRE(destination->records.size() == 1);
    CHECK(source->records[0].decision == Decision::given_up);
    CHECK(destination->records[0].decision == Decision::running);
}

}  // namespace multifd
