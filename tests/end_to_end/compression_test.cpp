// Compression and zeros between two real processes: the state arrives as it was, and the reports
// say what it cost.
#include <catch2/catch.hpp>
#include <random>

#include "channels/wire/limits.hpp"
#include "tests/end_to_end/migration.hpp"

namespace multifd {
namespace {

/// Both ends counted the same bytes on the channels.
void check_same_traffic(const Outcome& outcome, std::size_t devices) {
    for (std::size_t i = 0; i < devices; ++i) {
        const std::string device = "devices." + std::to_string(i);
        CAPTURE(device);
        for (const auto* number : {".wire-bytes", ".encoded-packets"}) {
            CHECK(outcome.source.number(device + number) ==
                  outcome.destination.number(device + number));
        }
    }
}

}  // namespace

TEST_CASE("devices of every kind arrive as they were, compressed or not", "[end_to_end]") {
    const std::string mode = GENERATE("none", "zstd", "auto");
    const std::string level = GENERATE("1", "7");
    CAPTURE(mode, level);
    Plan plan;
    const std::string size = ",seed=3,size=6150KiB,compressible=";
    plan.device("memory,idstr=random" + size + "0");
    plan.device("memory,idstr=calls" + size + "90");
    plan.device("memory,idstr=held,held=on" + size + "90");
    plan.device("memory,idstr=lent,lend=on" + size + "90");
    plan.device("memory,idstr=main,multifd=off" + size + "90");
    plan.device("memory,idstr=early,precopy=on" + size + "90");
    plan.source_options = words("--packet-size 64KiB --multifd-compression " + mode +
                                " --multifd-zstd-level " + level);
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    check_completed(outcome);
    check_same_traffic(outcome, 6);
    CHECK(outcome.source.text("settings.multifd-compression.value") == mode);
    CHECK(outcome.destination.text("settings.multifd-compression.value") ==
          (mode == "none" ? "none" : "auto"));
    // Packets with less than a sixteenth to gain leave as they are.
    CHECK(outcome.source.number("devices.0.encoded-packets") == 0);
    CHECK(outcome.source.number("devices.4.wire-bytes") == 0);
    for (const auto* device : {"devices.1", "devices.2", "devices.3"}) {
        CAPTURE(device);
        const auto raw = outcome.source.number(std::string(device) + ".bytes");
        const auto wire = outcome.source.number(std::string(device) + ".wire-bytes");
        if (mode == "none") CHECK(wire > raw);
        if (mode == "zstd") CHECK(wire < raw / 3);
    }
    const auto time = outcome.source.number("channels.0.compression-time-us") +
                      outcome.source.number("channels.1.compression-time-us");
    if (mode == "none") CHECK(time == 0);
    if (mode == "zstd") CHECK(time > 0);
}

TEST_CASE("zeros cost close to nothing, without compression too", "[end_to_end]") {
    const std::string mode = GENERATE("none", "zstd");
    CAPTURE(mode);
    const TemporaryFolder folder;
    // All zero, a zero half in the first packet's place, and none.
    std::string content(16 * limits::kMiB, '\0');
    for (std::size_t i = 0; i < limits::kMiB / 2; ++i)
        content[i] = static_cast<char>(i * 2654435761U >> 13U);
    write_text(folder / "state", content);
    Plan plan;
    plan.source_devices = {"file,idstr=gpu0,path=" + (folder / "state")};
    plan.destination_devices = {"file,idstr=gpu0,path=" + (folder / "arrived")};
    plan.source_options = words("--multifd-compression " + mode);
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    check_completed(outcome);
    CHECK(read_text(folder / "arrived") == content);
    CHECK(outcome.source.number("devices.0.bytes") >= 16 * limits::kMiB);
    CHECK(outcome.source.number("devices.0.encoded-packets") == 16);
    CHECK(outcome.source.number("devices.0.wire-bytes") < limits::kMiB / 2 + 10'000);
}

TEST_CASE("stretches of zeros at odd places cost close to nothing", "[end_to_end]") {
    const std::string mode = GENERATE("none", "auto", "zstd");
    CAPTURE(mode);
    const TemporaryFolder folder;
    std::string content(8 * limits::kMiB + 777, '\0');
    std::mt19937_64 random(5);
    for (auto& character : content) character = static_cast<char>(random());
    constexpr std::size_t kStretch = 64U << 10U;
    constexpr std::size_t kStretches = 40;
    for (std::size_t i = 0; i < kStretches; ++i) {
        content.replace(i * 209'000 + 13, kStretch, kStretch, '\0');
    }
    write_text(folder / "state", content);
    Plan plan;
    plan.source_devices = {"file,idstr=gpu0,path=" + (folder / "state")};
    plan.destination_devices = {"file,idstr=gpu0,path=" + (folder / "arrived")};
    plan.source_options = words("--multifd-compression " + mode);
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    check_completed(outcome);
    CHECK(read_text(folder / "arrived") == content);
    check_same_traffic(outcome, 1);
    CHECK(outcome.source.text("devices.0.transfer-digest") ==
          outcome.destination.text("devices.0.transfer-digest"));
    const std::size_t rest = content.size() - kStretches * kStretch;
    // Without compression at most a part of two blocks is left of each, and heads and maps.
    CHECK(outcome.source.number("devices.0.wire-bytes") < rest + kStretches * 8192 + 5000);
}

TEST_CASE("level 0 compresses nothing", "[end_to_end]") {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=4MiB,compressible=90");
    plan.source_options = words("--multifd-compression zstd --multifd-zstd-level 0");
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    CHECK(outcome.source.number("devices.0.encoded-packets") == 0);
    CHECK(outcome.source.text("settings.multifd-compression.value") == "none");
    CHECK(outcome.source.text("settings.multifd-compression.from") == "agreed");
}

TEST_CASE("zstd against none is refused at both ends, auto gives way", "[end_to_end]") {
    const bool source_insists = GENERATE(true, false);
    const bool insists = GENERATE(true, false);
    CAPTURE(source_insists, insists);
    Plan plan;
    plan.device("memory,idstr=gpu0,size=1MiB,compressible=90");
    const Words with_will =
        words(insists ? "--multifd-compression zstd" : "--multifd-compression auto");
    const Words none = words("--multifd-compression none");
    plan.source_options = source_insists ? with_will : none;
    plan.destination_options = source_insists ? none : with_will;
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    if (!insists) {
        check_completed(outcome);
        CHECK(outcome.source.number("devices.0.encoded-packets") == 0);
        return;
    }
    check_failed(outcome.source, "feature_missing", 11);
    check_failed(outcome.destination, "feature_missing", 11);
    check_source_kept(outcome);
    CHECK(outcome.source.text("error.message").find("multifd-compression") != std::string::npos);
}

TEST_CASE("towards QEMU compression is refused before anything begins", "[end_to_end]") {
    const std::string mode = GENERATE("zstd", "auto");
    const CommandEnd end = run_command_with_report(
        words("send --to tcp:127.0.0.1:1 --peer qemu --device memory,idstr=gpu0,size=1MiB "
              "--multifd-compression " +
              mode));
    INFO(describe("send", end));
    check_failed(end, "usage_error", 2);
    CHECK(end.text("error.message").find("QEMU compresses no device state") != std::string::npos);
}

}  // namespace multifd
