// Device calls that fail, throw, hang or never return, at either end and at every step.
#include <catch2/catch.hpp>

#include "tests/end_to_end/migration.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

struct Fault {
    const char* option;
    const char* code;
    int exit_code = kDeviceFailed;
};

/// Two devices, of which gpu0 has the fault; 2 MiB each in packets of 64 KiB.
Plan plan_with(const std::string& source_fault, const std::string& destination_fault) {
    const std::string device = "memory,idstr=gpu0,size=2MiB,seed=5";
    Plan plan;
    plan.source_devices = {device + source_fault};
    plan.destination_devices = {device + destination_fault};
    plan.device("memory,idstr=other,size=2MiB,seed=6");
    // The end with the fault is the first to see that nothing moves.
    (source_fault.empty() ? plan.destination_options : plan.source_options) =
        words("--stall-timeout 2s");
    plan.source_options = plan.source_options + words("--packet-size 64KiB --multifd-channels 2");
    return plan;
}

/// `failing` names the code and the device; the other end's peer has failed, and it says why.
void check_named(const CommandEnd& failing, const CommandEnd& other, const Fault& fault) {
    check_failed(failing, fault.code, fault.exit_code);
    CHECK(failing.text("status") == "failed");
    CHECK(failing.text("error.device").starts_with("gpu0"));
    CHECK((other.exit_code == kPeerFailed || other.exit_code == fault.exit_code));
    const std::string said = other.text("error.code") + " " + other.text("error.message");
    CHECK(said.find(fault.code) != std::string::npos);
}

/// The device of that name in the report.
std::string final_state(const CommandEnd& end, const std::string& idstr) {
    for (std::size_t i = 0; end.report && i < end.report->size("devices"); ++i) {
        const std::string path = "devices." + std::to_string(i);
        if (end.text(path + ".idstr") == idstr) return end.text(path + ".final-state");
    }
    return {};
}

/// What a call that never returns holds is left behind on purpose.
void expect_leaks(CommandSurroundings& surroundings) {
    surroundings.environment.emplace_back("ASAN_OPTIONS", "detect_leaks=0");
}

}  // namespace

TEST_CASE("a source whose device fails keeps running, and says which one", "[end_to_end]") {
    const auto fault = GENERATE(values<Fault>({
        {",fail=read", "device_failed"},
        {",fail=read:1MiB", "device_failed"},
        {",throw=read:1MiB", "device_threw"},
        {",exhaust=read:1MiB", "memory_exhausted", kResources},
        {",fail=save-config", "device_failed"},
        {",throw=save-config", "device_threw"},
        {",hang=read:1MiB", "device_stuck"},
        {",throw=set-state:stop-copy", "device_threw"},
    }));
    CAPTURE(fault.option);
    const Outcome outcome = migrate(plan_with(fault.option, ""));
    INFO(describe(outcome));
    check_named(outcome.source, outcome.destination, fault);
    check_source_kept(outcome);
}

TEST_CASE("a destination whose device fails is clean, and its source keeps running",
          "[end_to_end]") {
    const auto fault = GENERATE(values<Fault>({
        {",fail=write", "device_failed"},
        {",fail=write:1MiB", "device_failed"},
        {",throw=write:1MiB", "device_threw"},
        {",exhaust=write:1MiB", "memory_exhausted", kResources},
        {",fail=load-config", "device_failed"},
        {",throw=load-config", "device_threw"},
        {",hang=write:1MiB", "device_stuck"},
        {",reject=on", "device_rejected_state"},
        {",fail=set-state:resuming", "device_failed"},
    }));
    CAPTURE(fault.option);
    const Outcome outcome = migrate(plan_with("", fault.option));
    INFO(describe(outcome));
    check_named(outcome.destination, outcome.source, fault);
    check_source_kept(outcome);
}

TEST_CASE("a device that lends its memory fails as clearly as one that does not", "[end_to_end]") {
    const auto fault = GENERATE(values<Fault>({
        {",lend=on,fail=write:1MiB", "device_failed"},
        {",lend=on,reject=on", "device_rejected_state"},
    }));
    CAPTURE(fault.option);
    const Outcome outcome = migrate(plan_with("", fault.option));
    INFO(describe(outcome));
    check_named(outcome.destination, outcome.source, fault);
    check_source_kept(outcome);
}

TEST_CASE("a source device in ERROR is named with its state; the others run again",
          "[end_to_end]") {
    const Outcome outcome = migrate(plan_with(",fail=set-state:stop-copy", ""));
    INFO(describe(outcome));
    check_named(outcome.source, outcome.destination, {"", "device_failed"});
    CHECK(outcome.source.text("owner") == "source");
    CHECK(final_state(outcome.source, "gpu0") == "error");
    CHECK(final_state(outcome.source, "other") == "running");
}

TEST_CASE("a source device call that never returns is left behind, not waited for",
          "[end_to_end]") {
    Plan plan = plan_with(",stuck=read:1MiB", "");
    expect_leaks(plan.source_surroundings);
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    check_named(outcome.source, outcome.destination, {"", "device_stuck"});
    CHECK(outcome.source.text("owner") == "source");
    CHECK(final_state(outcome.source, "gpu0") == "unknown");
    CHECK(final_state(outcome.source, "other") == "running");
}

TEST_CASE("a destination device call that never returns is left behind, not waited for",
          "[end_to_end]") {
    const std::string fault = GENERATE(",stuck=write:1MiB", ",stuck=set-state:stop");
    CAPTURE(fault);
    Plan plan = plan_with("", fault);
    expect_leaks(plan.destination_surroundings);
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    check_named(outcome.destination, outcome.source, {"", "device_stuck"});
    CHECK(final_state(outcome.destination, "gpu0") == "unknown");
    CHECK(final_state(outcome.destination, "other") != "running");
    check_source_kept(outcome);
}

TEST_CASE("a destination that can start no device gives all of them back", "[end_to_end]") {
    // From STOP, the way to RESUMING does not lead over the state that fails.
    const std::string fault = ",state=stop,fail=set-state:running-p2p";
    Plan plan;
    plan.source_devices = {"memory,idstr=gpu0,size=2MiB,seed=5,p2p=on"};
    plan.destination_devices = {"memory,idstr=gpu0,size=2MiB,seed=5,p2p=on" + fault};
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    check_failed(outcome.source, "commit_refused", kPeerFailed);
    CHECK(outcome.destination.exit_code == kDeviceFailed);
    check_source_kept(outcome);
}

TEST_CASE("a destination that started some of its devices does not give them back",
          "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=first,size=2MiB,seed=5,p2p=on");
    plan.source_devices = {"memory,idstr=second,size=2MiB,seed=6,p2p=on"};
    plan.destination_devices = {
        "memory,idstr=second,size=2MiB,seed=6,p2p=on,state=stop,fail=set-state:running"};
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    CHECK(outcome.source.text("owner") != "source");
    CHECK(final_state(outcome.source, "first") == "stop");
    CHECK(final_state(outcome.source, "second") == "stop");
    CHECK(outcome.destination.exit_code != 0);
    CHECK(outcome.destination.text("owner") == "destination");
}

}  // namespace multifd
