#include "engine/cli/tune/workload.hpp"

#include <catch2/catch.hpp>

#include "engine/cli/tune/circumstances.hpp"
#include "engine/cli/tune/run_maker.hpp"
#include "engine/devices/device_options.hpp"

namespace multifd::tuning {

TEST_CASE("a workload's devices are ones that both ends can make", "[tune]") {
    Workload workload;
    workload.devices = 2;
    workload.state_size = 1U << 20U;
    workload.compressible_percent = 40;
    workload.memory = GENERATE(Memory::held, Memory::lent);
    if (workload.memory == Memory::held) workload.read_rate = 1000;
    workload.write_rate = 2000;
    const auto words = device_words(workload);
    REQUIRE(words.size() == 2);
    CHECK(words[0] != words[1]);
    for (const std::string& word : words) {
        CAPTURE(word);
        CHECK_NOTHROW(make_device(parse_device_spec(word), Role::source));
        CHECK_NOTHROW(make_device(parse_device_spec(word), Role::destination));
    }
}

TEST_CASE("the destination's command listens where the source sends", "[tune]") {
    struct Reached {
        const char* to;
        const char* listen;
    };
    const auto each = GENERATE(values<Reached>({{"tcp:192.0.2.7:4444", "tcp:0.0.0.0:4444"},
                                                {"tcp:[2001:db8::1]:4444", "tcp:[::]:4444"},
                                                {"tcp:host:99", "tcp:0.0.0.0:99"},
                                                {"unix:/run/a", "unix:/run/a"}}));
    const std::string command = receive_command({Workload{}, each.to, {}});
    CAPTURE(command);
    CHECK(command.starts_with("multifd receive --serve --listen " + std::string(each.listen) +
                              " --device memory,idstr=tune0,"));
}

TEST_CASE("a destination with several addresses listens on each port once", "[tune]") {
    const std::string command = receive_command(
        {Workload{}, "tcp:192.0.2.7:4444", {}, {"tcp:198.51.100.7:4444", "tcp:192.0.2.7:5555"}});
    CHECK(command.starts_with(
        "multifd receive --serve --listen tcp:0.0.0.0:4444 --listen tcp:0.0.0.0:5555 --device "));
}

TEST_CASE("the circumstances are known", "[tune]") {
    const Circumstances now = circumstances_now("tcp:a:1");
    CHECK(now.to == "tcp:a:1");
    CHECK(now.started_at.size() == 20);
    CHECK_FALSE(now.host.empty());
    CHECK_FALSE(now.kernel.empty());
    CHECK(now.cores >= 1);
}

}  // namespace multifd::tuning
