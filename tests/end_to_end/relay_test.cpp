// A spoiled network between the two commands: reordered, lost, doubled, damaged, cut, silent.
#include <atomic>
#include <catch2/catch.hpp>

#include "tests/end_to_end/moments.hpp"
#include "tests/support/exit_codes.hpp"

namespace multifd {
namespace {

/// 2 MiB in packets of 64 KiB: 32 state buffers, idx 0 to 31, then the config state.
constexpr std::uint32_t kConfigIdx = 32;

Plan small_plan(unsigned channels) {
    Plan plan;
    plan.device("memory,idstr=gpu0,size=2MiB,seed=5,config-size=64");
    plan.source_options =
        words("--packet-size 64KiB --multifd-channels " + std::to_string(channels));
    plan.destination_options = words("--max-packet-size 64KiB");
    return plan;
}

/// Rules that change what stands for the packet of one idx.
RelayRules spoil(std::uint32_t idx, std::function<std::vector<Bytes>(Bytes)> change) {
    RelayRules rules;
    rules.packet = [idx, change = std::move(change)](RelayedPacket&& packet) {
        if (packet.idx == idx) return change(std::move(packet.bytes));
        std::vector<Bytes> same;
        same.push_back(std::move(packet.bytes));
        return same;
    };
    return rules;
}

std::vector<Bytes> flip(Bytes bytes, std::size_t offset, unsigned bits) {
    bytes.at(offset) ^= static_cast<std::byte>(bits);
    return {std::move(bytes)};
}

/// The destination found it; the source has learned why, and keeps its devices.
void check_found_by_destination(const Outcome& outcome, const std::string& code, int exit_code) {
    INFO(describe(outcome));
    check_failed(outcome.destination, code, exit_code);
    CHECK(outcome.destination.text("error.device").starts_with("gpu0"));
    CHECK((outcome.source.exit_code == kPeerFailed || outcome.source.exit_code == exit_code));
    const std::string said =
        outcome.source.text("error.code") + " " + outcome.source.text("error.message");
    CHECK(said.find(code) != std::string::npos);
    check_source_kept(outcome);
}

}  // namespace

TEST_CASE("packets that overtake those of other channels are put in order", "[end_to_end]") {
    const std::uint64_t seed = GENERATE(0U, 1U, 2U, 3U);
    const std::string limit = GENERATE("64KiB", "256KiB", "256MiB");
    CAPTURE(seed, limit);
    Plan plan = small_plan(4);
    plan.device("memory,idstr=gpu1,size=1MiB,seed=8").device("memory,idstr=gpu2,size=1,seed=9");
    plan.destination_options = plan.destination_options + Words{"--max-queued-bytes", limit};
    RelayRules rules;
    rules.hold_until_ended = 4;
    rules.release_seed = seed;
    plan.relay = std::move(rules);
    const Outcome outcome = migrate(plan);
    check_completed(outcome);
    if (limit == "64KiB") CHECK(outcome.destination.number("peak-queued-bytes") <= 2 * 65536);
}

TEST_CASE("neighbours swapped inside a channel are put in order when memory allows",
          "[end_to_end]") {
    Plan plan = small_plan(1);
    auto kept = std::make_shared<Bytes>();
    RelayRules rules;
    rules.packet = [kept](RelayedPacket&& packet) {
        std::vector<Bytes> passed;
        if (packet.idx == 3) {
            *kept = std::move(packet.bytes);
            return passed;
        }
        passed.push_back(std::move(packet.bytes));
        if (packet.idx == 4) passed.push_back(*kept);
        return passed;
    };
    plan.relay = std::move(rules);
    check_completed(migrate(plan));
}

TEST_CASE("a packet that its own channel keeps back too long is a gap, not a deadlock",
          "[end_to_end]") {
    Plan plan = small_plan(1);
    plan.destination_options = plan.destination_options + words("--max-queued-bytes 64KiB");
    auto kept = std::make_shared<Bytes>();
    RelayRules rules;
    rules.packet = [kept](RelayedPacket&& packet) {
        std::vector<Bytes> passed;
        if (packet.idx == 3) {
            *kept = std::move(packet.bytes);
            return passed;
        }
        passed.push_back(std::move(packet.bytes));
        if (packet.idx == 9) passed.push_back(*kept);
        return passed;
    };
    plan.relay = std::move(rules);
    const Outcome outcome = migrate(plan);
    check_found_by_destination(outcome, "idx_gap", kProtocol);
    CHECK(outcome.destination.number("error.idx") == 3);
}

TEST_CASE("a lost packet is named, with its device", "[end_to_end]") {
    const std::uint32_t idx = GENERATE(0U, 13U, 31U, kConfigIdx);
    const unsigned channels = GENERATE(1U, 3U);
    CAPTURE(idx, channels);
    Plan plan = small_plan(channels);
    plan.relay = spoil(idx, [](Bytes) { return std::vector<Bytes>(); });
    const Outcome outcome = migrate(plan);
    check_found_by_destination(outcome, "idx_gap", kProtocol);
    CHECK(outcome.destination.number("error.idx") == idx);
}

TEST_CASE("a doubled packet is named, with its device", "[end_to_end]") {
    const std::uint32_t idx = GENERATE(0U, 13U, 31U);
    CAPTURE(idx);
    Plan plan = small_plan(2);
    plan.relay = spoil(idx, [](Bytes bytes) { return std::vector<Bytes>{bytes, bytes}; });
    const Outcome outcome = migrate(plan);
    check_found_by_destination(outcome, "idx_duplicate", kProtocol);
    CHECK(outcome.destination.number("error.idx") == idx);
}

TEST_CASE("packets that contradict the config state are refused", "[end_to_end]") {
    struct Case {
        const char* code;
        std::uint32_t idx;    ///< Of what follows the config state.
        std::uint32_t flags;  ///< Its packet flags.
    };
    const auto second = GENERATE(values<Case>({{"idx_duplicate", kConfigIdx, 1},
                                               {"config_duplicate", kConfigIdx + 1, 1},
                                               {"data_after_config", kConfigIdx + 1, 0}}));
    CAPTURE(second.code);
    Plan plan = small_plan(1);
    plan.relay = spoil(kConfigIdx, [second](Bytes bytes) {
        Bytes other = bytes;
        other.at(kRelayedIdxOffset + 3) = static_cast<std::byte>(second.idx);
        other.at(kRelayedFlagsOffset + 3) = static_cast<std::byte>(second.flags);
        return std::vector<Bytes>{bytes, other};
    });
    check_found_by_destination(migrate(plan), second.code, kProtocol);
}

TEST_CASE("a config state below what has come is refused", "[end_to_end]") {
    Plan plan = small_plan(1);
    constexpr std::uint32_t kLost = 20;
    RelayRules rules;
    rules.packet = [](RelayedPacket&& packet) {
        std::vector<Bytes> passed;
        if (packet.idx == kLost) return passed;
        if (packet.config) packet.bytes.at(kRelayedIdxOffset + 3) = std::byte{kLost};
        passed.push_back(std::move(packet.bytes));
        return passed;
    };
    plan.relay = std::move(rules);
    check_found_by_destination(migrate(plan), "config_below_received", kProtocol);
}

TEST_CASE("a damaged byte of state is never run, with or without verification", "[end_to_end]") {
    const bool verify = GENERATE(true, false);
    const std::size_t offset = GENERATE(std::size_t{0}, std::size_t{777}, std::size_t{65535});
    CAPTURE(verify, offset);
    Plan plan = small_plan(2);
    if (!verify) plan.options = words("--verify off");
    plan.relay =
        spoil(11, [offset](Bytes bytes) { return flip(bytes, kRelayedDataOffset + offset, 0x10); });
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    const std::string code = outcome.destination.text("error.code");
    CHECK(
        (code == "digest_mismatch" || code == "device_rejected_state" || code == "device_failed"));
    if (!verify) CHECK(code != "digest_mismatch");
    const int exit_code = code == "digest_mismatch" ? kVerification : kDeviceFailed;
    check_found_by_destination(outcome, code, exit_code);
}

TEST_CASE("a packet whose header says another version is refused", "[end_to_end]") {
    struct Case {
        const char* code;
        std::size_t offset;
    };
    const auto spoiled =
        GENERATE(values<Case>({{"packet_magic_wrong", 0},
                               {"packet_version_wrong", kRelayedVersionOffset + 3},
                               {"state_version_wrong", kRelayedStateVersionOffset + 3}}));
    CAPTURE(spoiled.code);
    Plan plan = small_plan(2);
    plan.relay = spoil(7, [spoiled](Bytes bytes) { return flip(bytes, spoiled.offset, 1); });
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    check_failed(outcome.destination, spoiled.code, kProtocol);
    CHECK(outcome.destination.report->has("error.channel"));
    check_source_kept(outcome);
}

TEST_CASE("a channel that is cut fails both ends, and the source keeps its devices",
          "[end_to_end]") {
    // In a header, in a payload, between two packets, and before the first one.
    const std::uint64_t bytes =
        GENERATE(64U, 64U + 100U, 64U + 5000U, 64U + 288U + 65536U, 200000U);
    const unsigned channel = GENERATE(0U, 2U);
    CAPTURE(bytes, channel);
    Plan plan = small_plan(3);
    // So slow that every channel has to wait for packets, and gets some.
    plan.device("memory,idstr=gpu1,size=4MiB,seed=1,read-rate=32MiB");
    RelayRules rules;
    rules.cut = RelayRules::Cut{channel, bytes};
    plan.relay = std::move(rules);
    const Outcome outcome = migrate(plan);
    INFO(describe(outcome));
    for (const auto* end : {&outcome.source, &outcome.destination}) {
        CHECK((end->exit_code == kConnection || end->exit_code == kPeerFailed));
        CHECK(end->text("status") == "failed");
    }
    check_source_kept(outcome);
}

TEST_CASE("a network that goes silent never hangs either end", "[end_to_end]") {
    struct Case {
        const char* moment;
        bool destination_in_doubt;
        bool source_in_doubt;
    };
    // Before the greeting there is no session yet, and the destination waits for another.
    const auto when = GENERATE(values<Case>({{"main hello", false, false},
                                             {"connected channel 1", false, false},
                                             {"packet 0", false, false},
                                             {"packet 20", false, false},
                                             {"main eof", false, false},
                                             {"back loaded", true, false},
                                             {"main commit", true, true},
                                             {"back running", false, true}}));
    CAPTURE(when.moment);
    Plan plan = small_plan(3);
    plan.options = words("--stall-timeout 2s --connect-timeout 2s");
    MomentousMigration momentous(plan, when.moment, [](MomentousMigration& running) {
        running.migration().relay()->go_silent();
    });
    momentous.start();
    const Outcome outcome = momentous.migration().finish();
    INFO(describe(outcome));
    REQUIRE(momentous.seen(when.moment));
    CHECK(outcome.invalid.empty());
    if (when.source_in_doubt) {
        CHECK(outcome.source.exit_code == kUnknownOwner);
    } else {
        CHECK((outcome.source.exit_code == kTimeout || outcome.source.exit_code == kConnection));
        check_source_kept(outcome);
    }
    if (when.destination_in_doubt) {
        CHECK(outcome.destination.exit_code == kUnknownOwner);
        CHECK(outcome.destination.text("devices.0.final-state") == "stop");
    } else if (when.moment == std::string("back running")) {
        CHECK(outcome.destination.exit_code == 0);
    } else {
        CHECK((outcome.destination.exit_code == kTimeout ||
               outcome.destination.exit_code == kConnection));
    }
}

TEST_CASE("strangers at the destination's door do not disturb a migration", "[end_to_end]") {
    Plan plan = small_plan(3);
    std::atomic<bool> attempted = false;
    MomentousMigration momentous(plan, "packet 5", [&](MomentousMigration& running) {
        // A second source, while the first one's session is under way.
        const CommandEnd stranger =
            run_command(Words{"send", "--to", running.migration().address(), "--device",
                              "memory,idstr=gpu0,size=1MiB", "--connect-timeout", "1s", "-q"});
        attempted = stranger.exit_code != 0 && stranger.exit_code != kHung;
    });
    momentous.start();
    const Outcome outcome = momentous.migration().finish();
    CHECK(attempted);
    check_completed(outcome);
}

}  // namespace multifd
