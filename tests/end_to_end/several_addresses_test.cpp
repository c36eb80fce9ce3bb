// The command over several addresses.
#include <catch2/catch.hpp>

#include "tests/end_to_end/migration.hpp"
#include "tests/support/exit_codes.hpp"
#include "tests/support/loopback.hpp"

namespace multifd {

TEST_CASE("a migration over IPv4, IPv6 and UNIX addresses at once completes", "[end_to_end]") {
    const TemporaryFolder folder;
    Plan plan;
    plan.listen = {"tcp:127.0.0.1:0", "tcp:127.0.0.2:0", "tcp:[::1]:0",
                   "unix:" + (folder / "socket")};
    plan.source_options = words("--multifd-channels 5 --bind any --bind 127.0.0.3");
    plan.device("memory,idstr=gpu0,size=64MiB").device("memory,idstr=gpu1,size=3MiB,precopy=on");
    Migration migration(std::move(plan));
    REQUIRE(migration.addresses().size() == 4);
    migration.start();
    const Outcome outcome = migration.finish();
    INFO(describe(outcome));
    check_completed(outcome);
    CHECK(outcome.invalid.empty());
    for (unsigned id = 0; id < 5; ++id) {
        const std::string key = "channels." + std::to_string(id) + ".path";
        CAPTURE(key);
        CHECK(outcome.source.text(key) == migration.addresses()[id % 4]);
        CHECK(outcome.destination.text(key) == migration.addresses()[id % 4]);
    }
}

TEST_CASE("one address of several where nobody listens ends it, by name", "[end_to_end]") {
    std::string deserted;
    {
        const Socket gone = listen_on_loopback();
        deserted = address_of(gone);
    }
    Plan plan;
    plan.source_options = words("--multifd-channels 4 --to") + Words{deserted};
    plan.device("memory,idstr=gpu0,size=1MiB");
    const Outcome outcome = migrate(std::move(plan));
    INFO(describe(outcome));
    check_failed(outcome.source, "connect_failed", kConnection);
    check_source_kept(outcome);
    CHECK(outcome.source.text("error.message").find(deserted) != std::string::npos);
}

TEST_CASE("more addresses than channels, or than can go together, are a usage error",
          "[end_to_end]") {
    const auto refused = GENERATE(values<std::string>(
        {"--to unix:/a --to unix:/b --to unix:/c", "--to unix:/a --bind 127.0.0.1",
         "--to tcp:127.0.0.1:1 --bind ::1", "--to unix:/a --bind any --bind any"}));
    const CommandEnd end = run_command_with_report(
        Words{"send", "--device", "memory,idstr=gpu0,size=1MiB"} + words(refused));
    INFO(describe("send", end));
    check_failed(end, "usage_error", kUsage);
}

TEST_CASE("of several addresses to listen on the one that is taken is named", "[end_to_end]") {
    const Socket taken = listen_on_loopback();
    const CommandEnd end =
        run_command_with_report({"receive", "--listen", "tcp:127.0.0.2:0", "--listen",
                                 address_of(taken), "--device", "memory,idstr=gpu0,size=1MiB"});
    INFO(describe("receive", end));
    check_failed(end, "listen_failed", kConnection);
    CHECK(end.text("error.message").find(address_of(taken)) != std::string::npos);
}

}  // namespace multifd
