// Two hosts with two links between them: both are used, and a dead one is named.
#include <catch2/catch.hpp>
#include <thread>

#include "tests/end_to_end/migration.hpp"
#include "tests/support/exit_codes.hpp"
#include "tests/support/network_namespaces.hpp"

namespace multifd {
namespace {

/// False, said aloud, where namespaces cannot be made.
bool possible() {
    static const bool available = NetworkNamespaces::available();
    if (!available) WARN("SKIPPED: network namespaces need root, ip, tc and the kernel's tbf");
    return available;
}

Plan plan_over(const NetworkNamespaces& hosts) {
    Plan plan;
    plan.listen = {"tcp:" + NetworkNamespaces::destination_address(0) + ":0",
                   "tcp:" + NetworkNamespaces::destination_address(1) + ":0"};
    plan.source_options = words("--multifd-channels 4");
    plan.source_surroundings.wrapper = hosts.source_wrapper();
    plan.destination_surroundings.wrapper = hosts.destination_wrapper();
    return plan;
}

/// Waits until it has said so; false when it ends before.
bool says(RunningCommand& command, std::string_view text) {
    while (command.errors_so_far().find(text) == std::string::npos) {
        if (!command.running()) return false;
        std::this_thread::yield();
    }
    return true;
}

}  // namespace

TEST_CASE("channels over two links use both", "[end_to_end]") {
    if (!possible()) return;
    const NetworkNamespaces hosts(2);
    Plan plan = plan_over(hosts);
    plan.source_options = plan.source_options +
                          Words{"--bind", "any", "--bind", NetworkNamespaces::source_address(1)};
    plan.device("memory,idstr=gpu0,size=256MiB").device("memory,idstr=gpu1,size=64MiB");
    Migration migration(std::move(plan));
    migration.start();
    const Outcome outcome = migration.finish();
    INFO(describe(outcome));
    check_completed(outcome);
    for (unsigned id = 0; id < 4; ++id) {
        const std::string channel = "channels." + std::to_string(id);
        CAPTURE(channel);
        CHECK(outcome.source.text(channel + ".path") == migration.addresses()[id % 2]);
        CHECK(outcome.source.number(channel + ".packets") > 0);
    }
}

TEST_CASE("a link that is slow is named, with what to look at, and holds up nothing else",
          "[end_to_end]") {
    if (!possible()) return;
    NetworkNamespaces hosts(2);
    hosts.limit(1, "100mbit");
    Plan plan = plan_over(hosts);
    plan.source_options = words("--multifd-channels 2");
    plan.device("memory,idstr=gpu0,size=512MiB,held=on");
    Migration migration(std::move(plan));
    migration.start();
    const Outcome outcome = migration.finish();
    INFO(describe(outcome));
    check_completed(outcome);
    REQUIRE(outcome.source.report.has_value());
    REQUIRE(outcome.source.report->size("slow-paths") == 1);
    CHECK(outcome.source.text("slow-paths.0.path") == migration.addresses()[1]);
    CHECK(outcome.source.text("slow-paths.0.fastest") == migration.addresses()[0]);
    CHECK(outcome.source.report->real("slow-paths.0.mbps") < 200);
    CHECK_FALSE(outcome.source.text("slow-paths.0.advice").empty());
    CHECK(outcome.source.standard_error.find("the path to " + migration.addresses()[1] +
                                             " is slow") != std::string::npos);
    CHECK(outcome.source.number("channels.0.bytes") >
          2 * outcome.source.number("channels.1.bytes"));
    CHECK(outcome.source.text("channels.1.tcp.remote-address") == migration.addresses()[1]);
}

TEST_CASE("a link that dies during the transfer ends it at both ends, and is named",
          "[end_to_end]") {
    if (!possible()) return;
    const unsigned dead = GENERATE(0U, 1U);
    CAPTURE(dead);
    NetworkNamespaces hosts(2);
    for (const unsigned link : {0U, 1U}) hosts.limit(link, "400mbit");
    Plan plan = plan_over(hosts);
    plan.options = words("--stall-timeout 3s");
    plan.device("memory,idstr=gpu0,size=512MiB,held=on");
    Migration migration(std::move(plan));
    migration.start();
    REQUIRE(says(migration.source(), "switching over"));
    hosts.cut(dead);
    const Outcome outcome = migration.finish();
    INFO(describe(outcome));
    check_source_kept(outcome);
    // Whichever end notices first tells the other, if it can: not over the first link, which the
    // control connection takes. Then the source may see the destination go before it knows why.
    const Words codes = dead == 0 ? words("peer_silent channel_closed_early peer_closed")
                                  : words("stall_timeout peer_failed");
    CHECK_THAT(codes, Catch::VectorContains(outcome.source.text("error.code")));
    CHECK(outcome.destination.exit_code != kHung);
    const auto message = outcome.source.text("error.message");
    CHECK(message.find(migration.addresses()[dead]) != std::string::npos);
    CHECK(message.find("nothing comes back from " + migration.addresses()[1 - dead]) ==
          std::string::npos);
}

TEST_CASE("a link that is dead when the channels connect is named", "[end_to_end]") {
    if (!possible()) return;
    NetworkNamespaces hosts(2);
    Plan plan = plan_over(hosts);
    plan.source_options = plan.source_options + words("--connect-timeout 2s");
    plan.device("memory,idstr=gpu0,size=1MiB");
    Migration migration(std::move(plan));
    hosts.cut(1);
    migration.start();
    const Outcome outcome = migration.finish();
    INFO(describe(outcome));
    check_source_kept(outcome);
    CHECK(outcome.source.exit_code == kConnection);
    CHECK(outcome.source.text("error.message").find(migration.addresses()[1]) != std::string::npos);
}

TEST_CASE("a source address of another link's network is refused as not local", "[end_to_end]") {
    if (!possible()) return;
    const NetworkNamespaces hosts(2);
    Plan plan = plan_over(hosts);
    plan.source_options = plan.source_options + Words{"--bind", "any", "--bind",
                                                      NetworkNamespaces::source_address(0) + "9"};
    plan.device("memory,idstr=gpu0,size=1MiB");
    const Outcome outcome = migrate(std::move(plan));
    INFO(describe(outcome));
    check_failed(outcome.source, "bind_not_local", 3);
}

}  // namespace multifd
