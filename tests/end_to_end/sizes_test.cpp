// Sizes, numbers and kinds: whatever is migrated arrives whole.
#include <catch2/catch.hpp>

#include "tests/end_to_end/migration.hpp"

namespace multifd {
namespace {

std::uint64_t state_bytes(const Outcome& outcome) {
    return outcome.destination.number("devices.0.bytes");
}

}  // namespace

TEST_CASE("a state of any size arrives, down to nothing at all", "[end_to_end]") {
    struct Case {
        const char* name;
        std::uint64_t bytes;
        std::uint64_t packets;  ///< The config state's included.
    };
    const auto size = GENERATE(values<Case>({{"nothing", 0, 1},
                                             {"one byte", 1, 2},
                                             {"one packet", 65536, 2},
                                             {"one packet and one byte", 65537, 3},
                                             {"odd", 12345678, 190}}));
    INFO(size.name);
    Plan plan;
    plan.device("memory,idstr=gpu0,size=" + std::to_string(size.bytes) + ",seed=7,config-size=64");
    plan.source_options = words("--packet-size 64KiB --multifd-channels 4");
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    CHECK(outcome.source.number("devices.0.packets") == size.packets);
    CHECK(state_bytes(outcome) == size.bytes + 64);
}

TEST_CASE("any number of channels and devices works together", "[end_to_end]") {
    const unsigned channels = GENERATE(1U, 2U, 4U, 16U, 64U);
    const unsigned devices = GENERATE(1U, 8U, 64U);
    CAPTURE(channels, devices);
    Plan plan;
    for (unsigned device = 0; device < devices; ++device) {
        plan.device("memory,idstr=dev" + std::to_string(device) + ",size=" +
                    std::to_string(100000 + 1000 * device) + ",seed=" + std::to_string(device));
    }
    plan.source_options =
        words("--packet-size 16KiB --multifd-channels " + std::to_string(channels));
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    CHECK(outcome.source.report->size("channels") == channels);
    CHECK(outcome.destination.report->size("channels") == channels);
    CHECK(outcome.source.report->size("devices") == devices);
}

TEST_CASE("packets may have any size from 4 KiB to 16 MiB", "[end_to_end]") {
    const std::string size = GENERATE("4KiB", "64KiB", "1MiB", "16MiB");
    CAPTURE(size);
    Plan plan;
    plan.device(size == "4KiB" ? "memory,idstr=gpu0,size=8MiB" : "memory,idstr=gpu0,size=40MiB");
    plan.source_options = Words{"--packet-size", size, "--multifd-channels", "3"};
    check_completed(migrate(plan));
}

TEST_CASE("a migration runs over IPv4, IPv6 and UNIX sockets", "[end_to_end]") {
    Plan plan;
    plan.transport = GENERATE(Plan::Transport::tcp_ipv4, Plan::Transport::tcp_ipv6,
                              Plan::Transport::unix_socket);
    CAPTURE(static_cast<int>(plan.transport));
    plan.device("memory,idstr=gpu0,size=5MiB").device("memory,idstr=gpu1,size=3MiB");
    check_completed(migrate(plan));
}

TEST_CASE("devices on the channels and on the main channel go together", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=on,size=3MiB,multifd=on")
        .device("memory,idstr=off,size=3MiB,multifd=off")
        .device("memory,idstr=auto,size=3MiB,multifd=auto");
    plan.source_devices = {"memory,idstr=mixed,size=1MiB,multifd=on"};
    plan.destination_devices = {"memory,idstr=mixed,size=1MiB,multifd=auto"};
    plan.source_options = words("--packet-size 64KiB --multifd-channels 4");
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    const std::vector<std::pair<std::string, bool>> expected{
        {"on", true}, {"off", false}, {"auto", true}, {"mixed", true}};
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const std::string path = "devices." + std::to_string(i) + ".";
        CAPTURE(expected[i].first);
        CHECK(outcome.source.text(path + "idstr") == expected[i].first);
        CHECK(outcome.source.report->flag(path + "multifd") == expected[i].second);
        CHECK(outcome.destination.report->flag(path + "multifd") == expected[i].second);
    }
}

TEST_CASE("two devices of one name are told apart by their instance", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=nic,instance-id=0,size=1MiB,seed=1")
        .device("memory,idstr=nic,instance-id=1,size=2MiB,seed=2");
    check_completed(migrate(plan));
}

TEST_CASE("the order of devices on the two command lines does not matter", "[end_to_end]") {
    Plan plan;
    plan.source_devices = {"memory,idstr=a,size=1MiB,seed=1", "memory,idstr=b,size=2MiB,seed=2"};
    plan.destination_devices = {"memory,idstr=b,size=2MiB,seed=2",
                                "memory,idstr=a,size=1MiB,seed=1"};
    check_completed(migrate(plan));
}

TEST_CASE("memory that is lent, held or generated arrives alike", "[end_to_end]") {
    const std::string source = GENERATE("", ",lend=on", ",held=on");
    const std::string destination = GENERATE("", ",lend=on", ",held=on");
    CAPTURE(source, destination);
    Plan plan;
    plan.source_devices = {"memory,idstr=gpu0,size=6MiB,seed=3" + source};
    plan.destination_devices = {"memory,idstr=gpu0,size=6MiB,seed=3" + destination};
    plan.source_options = words("--packet-size 64KiB --multifd-channels 3");
    check_completed(migrate(plan));
}

TEST_CASE("a device that dirties its memory converges in pre-copy", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=64MiB,precopy=on,dirty-rate=5MiB,p2p=on")
        .device("memory,idstr=quiet,size=1MiB,precopy=off");
    plan.source_options = words("--downtime-limit 2ms --switchover-ack on --multifd-channels 4");
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    // All but what fits into two milliseconds goes while the device runs.
    const std::uint64_t running = outcome.source.number("devices.0.pre-copy-bytes");
    const std::uint64_t stopped = outcome.source.number("devices.0.bytes");
    CHECK(running >= 32U << 20U);
    CHECK(stopped < 32U << 20U);
    CHECK(running + stopped >= 64U << 20U);
    CHECK(outcome.source.number("devices.1.pre-copy-bytes") == 0);
}

TEST_CASE("devices without P2P migrate as well as those with it", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=with,size=1MiB,p2p=on")
        .device("memory,idstr=without,size=1MiB,p2p=off");
    check_completed(migrate(plan));
}

TEST_CASE("with verification off there are no digests, and the devices check themselves",
          "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=4MiB");
    plan.source_options = words("--verify off");
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    CHECK_FALSE(outcome.source.report->has("devices.0.transfer-digest"));
    CHECK_FALSE(outcome.destination.report->has("devices.0.transfer-digest"));
}

TEST_CASE("a paused source's devices stay paused at the destination", "[end_to_end]") {
    Plan plan;
    plan.source_devices = {"memory,idstr=gpu0,size=2MiB,state=stop"};
    plan.destination_devices = {"memory,idstr=gpu0,size=2MiB"};
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    CHECK(outcome.source.exit_code == 0);
    CHECK(outcome.destination.exit_code == 0);
    CHECK(outcome.destination.text("owner") == "destination");
    CHECK(outcome.destination.text("devices.0.final-state") == "stop");
}

}  // namespace multifd
