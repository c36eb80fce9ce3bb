// One device, moved by QEMU 10 and by us, in one run on one kernel: wall time and processor time.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <functional>

#include "tests/end_to_end/migration.hpp"
#include "tests/vm/guest_device.hpp"
#include "tests/vm/guest_qemu.hpp"

namespace multifd::vm {
namespace {

constexpr std::uint64_t kStateBytes = 256 << 20U;
constexpr int kRounds = 3;
constexpr double kGigabytes = static_cast<double>(kStateBytes) / 1e9;

/// One migration; processor time is that of both ends together, while it went on.
struct Cost {
    double wall_s = 0;    ///< All of it, as each reports its total time.
    double moving_s = 0;  ///< The same without its setup.
    double cpu_s = 0;
};

/// 0 channels: the main channel carries the state.
Cost move_by_us(const Statebox& source, const Statebox& destination, unsigned channels,
                const Words& options) {
    const std::string multifd = channels == 0 ? ",multifd=off" : "";
    Plan plan;
    plan.source_devices = {source.described("box") + multifd};
    plan.destination_devices = {destination.described("box") + multifd};
    plan.options = options;
    plan.source_options = words("--multifd-channels " + std::to_string(std::max(channels, 1U)));
    Migration migration(plan);
    migration.start();
    const Outcome outcome = migration.finish();
    INFO(describe(outcome));
    check_completed(outcome);
    const auto us = outcome.source.number("cpu-us") + outcome.destination.number("cpu-us");
    const double wall_s = static_cast<double>(outcome.source.number("total-time")) / 1e3;
    const double setup_s = static_cast<double>(outcome.source.number("setup-time")) / 1e3;
    return {wall_s, wall_s - setup_s, static_cast<double>(us) / 1e6};
}

Cost move_by_qemu(const Statebox& source, const Statebox& destination, unsigned channels) {
    const auto transfer =
        channels == 0 ? GuestQemu::Transfer::main_channel : GuestQemu::Transfer::channels;
    GuestQemu from({source.path()}, transfer);
    GuestQemu into({destination.path()}, transfer, {"-incoming", "defer"});
    for (auto* qemu : {&from, &into}) qemu->prepare_migration(std::max(channels, 1U));
    (void)into.execute("migrate-incoming", R"({"uri":"tcp:127.0.0.1:4445"})");
    const double before = from.cpu_seconds() + into.cpu_seconds();
    (void)from.execute("migrate", R"({"uri":"tcp:127.0.0.1:4445"})");
    const JsonReport seen = from.await_migration();
    INFO(seen.whole() << from.said() << into.said());
    const JsonReport arrived = into.await_migration();
    const double cpu = from.cpu_seconds() + into.cpu_seconds() - before;
    CHECK(seen.text("return.status") == "completed");
    CHECK(arrived.text("return.status") == "completed");
    CHECK(seen.number("return.vfio.transferred") > kStateBytes);
    const double wall_s = static_cast<double>(seen.number("return.total-time")) / 1e3;
    const double setup_s = static_cast<double>(seen.number("return.setup-time")) / 1e3;
    return {wall_s, wall_s - setup_s, cpu};
}

struct Contender {
    std::string name;
    std::function<Cost(const Statebox&, const Statebox&)> move;
    std::vector<Cost> costs;
};

double median(const std::vector<Cost>& costs, double Cost::*member) {
    std::vector<double> values;
    for (const Cost& cost : costs) values.push_back(cost.*member);
    std::ranges::sort(values);
    return values[values.size() / 2];
}

std::vector<Contender> contenders() {
    std::vector<Contender> all;
    const auto ours = [&](const std::string& name, unsigned channels, const Words& options) {
        all.push_back({"multifd, " + name,
                       [=](const Statebox& source, const Statebox& destination) {
                           return move_by_us(source, destination, channels, options);
                       },
                       {}});
    };
    const auto qemu = [&](const std::string& name, unsigned channels) {
        all.push_back({"QEMU 10, " + name,
                       [=](const Statebox& source, const Statebox& destination) {
                           return move_by_qemu(source, destination, channels);
                       },
                       {}});
    };
    qemu("main channel", 0);
    qemu("2 channels", 2);
    qemu("4 channels", 4);
    ours("main channel", 0, {});
    ours("2 channels", 2, {});
    ours("4 channels", 4, {});
    ours("4 channels, verify=off", 4, words("--verify off"));
    return all;
}

TEST_CASE("one device by QEMU 10 and by us: wall and processor time per GB", "[perf]") {
    // Without pre-copy, so that every byte moves once, at both.
    std::vector<Contender> all = contenders();
    for (int round = 0; round < kRounds; ++round) {
        for (Contender& contender : all) {
            CAPTURE(contender.name, round);
            const Statebox source(kStateBytes, 5);
            const Statebox destination(kStateBytes);
            for (const auto* box : {&source, &destination}) box->set("offers", "p2p reset");
            contender.costs.push_back(contender.move(source, destination));
            // All that is compared has moved the same.
            if (round == 0) CHECK(destination.digest() == source.digest());
        }
    }
    std::printf("%-30s %10s %15s %10s   medians of %d runs, %llu MiB\n", "", "wall s/GB",
                "without setup", "CPU s/GB", kRounds,
                static_cast<unsigned long long>(kStateBytes >> 20U));
    for (const Contender& contender : all) {
        std::printf("%-30s %10.2f %15.2f %10.2f\n", contender.name.c_str(),
                    median(contender.costs, &Cost::wall_s) / kGigabytes,
                    median(contender.costs, &Cost::moving_s) / kGigabytes,
                    median(contender.costs, &Cost::cpu_s) / kGigabytes);
    }
    std::fflush(stdout);
}

}  // namespace
}  // namespace multifd::vm
