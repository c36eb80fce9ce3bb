// Ends that disagree: both say what about, and nothing has been stopped.
#include <catch2/catch.hpp>

#include "tests/end_to_end/migration.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

/// Both ends fail with `code`, naming `device` when one is meant, and the source keeps running.
void check_disagreement(const Outcome& outcome, const std::string& code,
                        const std::string& device = {}) {
    INFO(describe(outcome));
    check_failed(outcome.source, code, kDisagreement);
    check_failed(outcome.destination, code, kDisagreement);
    check_source_kept(outcome);
    for (const auto* end : {&outcome.source, &outcome.destination}) {
        CHECK(end->text("status") == "failed");
        CHECK(end->number("transferred") == 0);
        CHECK_FALSE(end->report->has("downtime"));
        CHECK(end->text("error.message").find(device) != std::string::npos);
        if (!device.empty()) CHECK(end->text("error.device").starts_with(device));
    }
}

}  // namespace

TEST_CASE("ends that ask for different numbers of channels part at once", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB");
    plan.source_options = words("--multifd-channels 4");
    plan.destination_options = words("--multifd-channels 8");
    check_disagreement(migrate(plan), "channels_disagree");
}

TEST_CASE("ends that disagree on a device's property name it", "[end_to_end]") {
    struct Case {
        const char* source;
        const char* destination;
    };
    const auto property = GENERATE(values<Case>({{"on", "off"}, {"off", "on"}}));
    CAPTURE(property.source, property.destination);
    Plan plan;
    plan.device("memory,idstr=same,size=1MiB");
    plan.source_devices = {std::string("memory,idstr=gpu1,size=1MiB,multifd=") + property.source};
    plan.destination_devices = {std::string("memory,idstr=gpu1,size=1MiB,multifd=") +
                                property.destination};
    check_disagreement(migrate(plan), "multifd_disagree", "gpu1");
}

TEST_CASE("automatic follows the end that has a will", "[end_to_end]") {
    const std::string will = GENERATE("on", "off");
    const bool source_has_it = GENERATE(true, false);
    CAPTURE(will, source_has_it);
    const std::string with_will = "memory,idstr=gpu0,size=1MiB,multifd=" + will;
    const std::string without = "memory,idstr=gpu0,size=1MiB,multifd=auto";
    Plan plan;
    plan.source_devices = {source_has_it ? with_will : without};
    plan.destination_devices = {source_has_it ? without : with_will};
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    CHECK(outcome.source.report->flag("devices.0.multifd") == (will == "on"));
    CHECK(outcome.destination.report->flag("devices.0.multifd") == (will == "on"));
}

TEST_CASE("a device that one end lacks is named by both", "[end_to_end]") {
    const bool source_has_more = GENERATE(true, false);
    CAPTURE(source_has_more);
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB");
    auto& more = source_has_more ? plan.source_devices : plan.destination_devices;
    more = {"memory,idstr=gpu9,size=1MiB"};
    check_disagreement(migrate(plan), "devices_disagree", "gpu9");
}

TEST_CASE("instances are part of a device's identity", "[end_to_end]") {
    Plan plan;
    plan.source_devices = {"memory,idstr=nic,instance-id=1,size=1MiB"};
    plan.destination_devices = {"memory,idstr=nic,instance-id=2,size=1MiB"};
    check_disagreement(migrate(plan), "devices_disagree", "nic");
}

TEST_CASE("a packet size over the destination's limit is refused before anything moves",
          "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=8MiB");
    plan.source_options = words("--packet-size 4MiB");
    plan.destination_options = words("--max-packet-size 1MiB");
    check_disagreement(migrate(plan), "packet_size_disagree");
}

TEST_CASE("a paused source's devices are left paused by a disagreement", "[end_to_end]") {
    Plan plan;
    plan.source_devices = {"memory,idstr=gpu0,size=1MiB,state=stop"};
    plan.destination_devices = {"memory,idstr=gpu0,size=1MiB"};
    plan.source_options = words("--multifd-channels 2");
    plan.destination_options = words("--multifd-channels 3");
    const Outcome outcome = migrate(plan);
    check_failed(outcome.source, "channels_disagree", kDisagreement);
    check_source_kept(outcome, "stop");
}

TEST_CASE("a destination without its own numbers takes the source's", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=8MiB");
    plan.source_options = words("--multifd-channels 7 --packet-size 128KiB");
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    CHECK(outcome.destination.report->size("channels") == 7);
    CHECK(outcome.destination.number("settings.multifd-channels.value") == 7);
}

}  // namespace multifd
