// What the source's report says of the destination's transfer.
#include <catch2/catch.hpp>

#include "channels/wire/transfer_report.hpp"
#include "tests/engine/sessions/scripted_peer.hpp"
#include "tests/engine/sessions/session_pair.hpp"

namespace multifd {
namespace {

std::vector<DowntimePart> told_parts(const Report& destination) {
    std::vector<DowntimePart> parts;
    for (const auto& part : destination.downtime_parts) {
        if (part.name == "state" || part.name == "commit" || part.name == "start") continue;
        parts.push_back(part);
    }
    return parts;
}

/// A source, and a destination that has agreed to tell and got the state.
struct Scene {
    RunningSource source;
    ScriptedDestination destination;
    std::vector<VerifyEntry> table;

    explicit Scene(bool agreed = true) {
        if (agreed) destination.hello.features = {std::string(kFeatureTransferReport)};
        source.start(destination.address());
        destination.greet();
        table = destination.await_table();
    }
    /// Loaded to Running.
    Report complete() {
        destination.say_loaded(table);
        destination.await_command(kCommandCommit);
        destination.say(ReturnPathType::running);
        return source.await();
    }
    void check_survives_with(const char* code) {
        const auto report = source.await();
        REQUIRE(report.error);
        CHECK(report.error->code == code);
        CHECK(report.owner == Owner::source);
        CHECK_FALSE(report.destination);
        CHECK(source.device->now() == DeviceState::running);
    }
};

}  // namespace

TEST_CASE("the source reports of the destination what that reports itself", "[session]") {
    SessionPair pair;
    ScriptedDevice::Script script;
    script.state = pattern(300'000, 1);
    pair.add_device("gpu0", script);
    pair.destination_settings.max_queued_bytes = 1U << 20U;

    const auto [source, destination] = pair.run();

    REQUIRE(source.status == Status::completed);
    CHECK_FALSE(destination.destination);
    REQUIRE(source.destination);
    REQUIRE(destination.transfer);
    const auto& told = *source.destination;
    CHECK(told.transfer.us == destination.transfer->us);
    CHECK(told.transfer.user_us == destination.transfer->user_us);
    CHECK(told.transfer.system_us == destination.transfer->system_us);
    CHECK(told.processors >= 1);
    CHECK(told.queued_bytes_max == 1U << 20U);
    CHECK(told.peak_queued_bytes == destination.peak_queued_bytes);
    std::uint64_t busiest_us = 0;
    for (const auto& channel : destination.channels) {
        busiest_us = std::max(busiest_us, channel.cpu_us);
    }
    CHECK(told.channel_cpu_us == busiest_us);
    const auto parts = told_parts(destination);
    REQUIRE(told.downtime_parts.size() == parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
        CAPTURE(parts[i].name);
        CHECK(told.downtime_parts[i].name == parts[i].name);
        CHECK(told.downtime_parts[i].us == parts[i].us);
    }
}

TEST_CASE("what the destination tells is in the source's report as it came", "[session][peer]") {
    Scene scene;
    const TransferReport told{.us = 7, .processors = 3, .write_us = 5};
    scene.destination.say(ReturnPathType::transfer_report, encode(told));
    const auto report = scene.complete();
    CHECK(report.status == Status::completed);
    REQUIRE(report.destination);
    CHECK(report.destination->transfer.us == 7);
    CHECK(report.destination->processors == 3);
    CHECK(report.destination->queued_bytes_max == scene.destination.hello.queued_bytes_max);
}

TEST_CASE("a destination that agreed to tell and does not only leaves a gap in the report",
          "[session][peer]") {
    Scene scene;
    const auto report = scene.complete();
    CHECK(report.status == Status::completed);
    CHECK_FALSE(report.destination);
}

TEST_CASE("a transfer report that makes no sense ends the migration before it is committed",
          "[session][peer]") {
    Scene scene;
    const std::string_view text = R"({"us":1})";
    scene.destination.say(ReturnPathType::transfer_report, std::as_bytes(std::span(text)));
    scene.check_survives_with("message_malformed");
}

TEST_CASE("a transfer report that is too long is refused before it is read", "[session][peer]") {
    Scene scene;
    const std::vector<std::byte> body(kTransferReportBytesMax + 1, std::byte{' '});
    scene.destination.say(ReturnPathType::transfer_report, body);
    scene.check_survives_with("return_path_length_wrong");
}

TEST_CASE("a transfer report that was not agreed is no message", "[session][peer]") {
    Scene scene(/*agreed=*/false);
    scene.destination.say(ReturnPathType::transfer_report, encode(TransferReport{}));
    scene.check_survives_with("return_path_type_unknown");
}

}  // namespace multifd
