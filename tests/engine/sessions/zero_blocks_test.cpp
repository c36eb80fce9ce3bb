// Zeros in a device's state, between both ends: they do not travel, and arrive.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <optional>

#include "channels/wire/device_state_packet.hpp"
#include "tests/channels/codec/content.hpp"
#include "tests/engine/sessions/scripted_peer.hpp"
#include "tests/engine/sessions/session_pair.hpp"

namespace multifd {
namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kState = 5 * 1024 * kKiB + 4321;
constexpr std::size_t kStretch = 64 * kKiB;
/// Odd places; the third crosses from one packet into the next.
constexpr std::array<std::size_t, 4> kPlaces{1, 300'001, 1024 * kKiB - 5000, 3'333'333};

std::vector<std::byte> hollow_state() {
    auto state = random_bytes(kState);
    for (const auto place : kPlaces) {
        std::fill_n(state.begin() + static_cast<std::ptrdiff_t>(place), kStretch, std::byte{0});
    }
    return state;
}

/// A scripted device whose memory is lent: the source's state, or room for it.
class LendingDevice final : public Device {
  public:
    explicit LendingDevice(std::vector<std::byte> content) : memory(std::move(content)) {
        script_.traits.lends = true;
        calls_.emplace(script_);
    }
    /// A destination's, in RESUMING.
    explicit LendingDevice(std::size_t size) : memory(size, std::byte{0xee}) {
        script_.traits.lends = true;
        script_.initial = DeviceState::resuming;
        calls_.emplace(script_);
    }

    DeviceTraits traits() const noexcept override { return calls_->traits(); }
    DeviceState state() override { return calls_->state(); }
    CallResult set_state(DeviceState target) override { return calls_->set_state(target); }
    CallResult read(std::span<std::byte>) override { return refused(); }
    CallResult write(std::span<const std::byte>) override { return refused(); }
    CallResult save_config(std::vector<std::byte>& target) override {
        return calls_->save_config(target);
    }
    CallResult load_config(std::span<const std::byte> source) override {
        return calls_->load_config(source);
    }
    CallResult stop_copy_size() override { return CallResult::success(memory.size()); }
    CallResult reset() override { return calls_->reset(); }
    std::span<std::byte> lend() noexcept override { return memory; }

    std::vector<std::byte> memory;

  private:
    static CallResult refused() {
        return CallResult::failure(std::errc::not_supported, "its memory is lent");
    }

    ScriptedDevice::Script script_;
    std::optional<ScriptedDevice> calls_;
};

void check_cheap(const SessionPair::Reports& reports) {
    for (const auto* report : {&reports.source, &reports.destination}) {
        INFO((report->error ? report->error->message : ""));
        REQUIRE(report->status == Status::completed);
        REQUIRE(report->devices.size() == 1);
        // Of each stretch less than two pages are left, and of heads one more.
        CHECK(report->devices[0].wire_bytes < kState - kPlaces.size() * (kStretch - 12 * kKiB));
    }
    CHECK(reports.source.devices[0].wire_bytes == reports.destination.devices[0].wire_bytes);
    CHECK_FALSE(reports.source.devices[0].transfer_digest.empty());
    CHECK(reports.source.devices[0].transfer_digest ==
          reports.destination.devices[0].transfer_digest);
}

SessionPair::Reports migrate_lent(SessionPair& pair, const std::vector<std::byte>& state) {
    auto source = std::make_shared<LendingDevice>(state);
    auto destination = std::make_shared<LendingDevice>(state.size());
    pair.source_settings.packet_size = 128 * kKiB;
    pair.add_devices("gpu0", source, destination);
    auto reports = pair.run();
    CHECK((destination->memory == state));  // Printing them takes minutes.
    return reports;
}

}  // namespace

TEST_CASE("stretches of zeros at odd places do not travel, and arrive with the digest right",
          "[session]") {
    const auto compression = GENERATE(MultifdCompression::none, MultifdCompression::automatic);
    SessionPair pair;
    pair.source_settings.multifd_compression = compression;
    pair.source_settings.packet_size = 128 * kKiB;
    const auto state = hollow_state();
    SECTION("of a device behind calls") {
        ScriptedDevice::Script script;
        script.state = state;
        pair.add_device("gpu0", script);
        check_cheap(pair.run());
        CHECK((pair.destination_device(0).received() == state));
    }
    SECTION("of a device that lends its memory") {
        check_cheap(migrate_lent(pair, state));
    }
}

TEST_CASE("random state travels as it is, byte for byte", "[session]") {
    SessionPair pair;
    const auto state = random_bytes(kState);
    const auto reports = migrate_lent(pair, state);
    CHECK(reports.source.devices[0].encoded_packets == 0);
    CHECK(reports.source.devices[0].wire_bytes ==
          reports.source.devices[0].bytes + reports.source.devices[0].packets * 288 + 16);
}

TEST_CASE("towards a destination without the feature nothing changes", "[session][peer]") {
    constexpr std::size_t kPacket = 16 * kKiB;
    constexpr std::size_t kZeros = 8 * kKiB;
    const bool offered = GENERATE(true, false);
    CAPTURE(offered);
    RunningSource source;
    ScriptedDestination destination;
    ScriptedDevice::Script script;
    script.state = random_bytes(kPacket);
    std::fill_n(script.state.begin(), kZeros, std::byte{0});
    source.device = std::make_shared<ScriptedDevice>(script);
    source.settings.packet_size = kPacket;
    destination.hello.features = {std::string(kFeatureZeroTail)};
    if (offered) destination.hello.features.emplace_back(kFeatureZeroBlocks);
    source.start(destination.address());
    destination.greet();
    destination.await_table();
    std::size_t bytes = 0;
    for (const auto& channel : destination.channels) bytes += read_available(channel).size();
    const std::size_t state = offered ? kEncodedPrologueBytes + 1 + kPacket - kZeros
                                      : kDeviceStatePrologueBytes + kPacket;
    const std::size_t config = kDeviceStatePrologueBytes + 2 * limits::kConfigTokenBytes;
    CHECK(bytes == state + config + destination.channels.size() * kPacketPrefixBytes);
}

}  // namespace multifd
