// The command with its channels on chosen CPUs.
#include <catch2/catch.hpp>

#include "tests/end_to_end/migration.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {

TEST_CASE("a migration with its threads confined reports where they ran", "[end_to_end]") {
    Plan plan;
    plan.source_options = words("--multifd-channels 2 --channel-cpus 0 --numa-node auto");
    plan.destination_options = words("--channel-cpus 0 --numa-node 0");
    plan.device("memory,idstr=gpu0,size=16MiB");
    const Outcome outcome = migrate(std::move(plan));
    INFO(describe(outcome));
    check_completed(outcome);
    for (const CommandEnd* end : {&outcome.source, &outcome.destination}) {
        CHECK(end->text("channels.0.cpus") == "0");
        CHECK(end->text("channels.1.cpus") == "0");
        CHECK(end->text("settings.channel-cpus.value") == "0");
    }
    CHECK_FALSE(outcome.source.text("placement-note").empty());
}

TEST_CASE("CPUs that are not there or not ours are a usage error with those that are",
          "[end_to_end]") {
    const Words device{"--device", "memory,idstr=gpu0,size=1MiB"};
    const CommandEnd absent = run_command_with_report(
        Words{"receive", "--listen", "tcp:127.0.0.1:0", "--channel-cpus", "0,8000"} + device);
    INFO(describe("receive", absent));
    check_failed(absent, "usage_error", kUsage);
    CHECK(absent.text("error.message").find("CPU 8000") != std::string::npos);

    CommandSurroundings confined;
    confined.wrapper = {"/usr/bin/taskset", "-c", "0"};
    const CommandEnd foreign = run_command_with_report(
        Words{"send", "--to", "tcp:127.0.0.1:1", "--channel-cpus", "1"} + device, confined);
    INFO(describe("send", foreign));
    check_failed(foreign, "usage_error", kUsage);
}

}  // namespace multifd
