// What the main channel holds for a region device, byte by byte, and what arrives of it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <stdexcept>

#include "multifd/region_device.hpp"
#include "tests/engine/devices/region/strict_region_device.hpp"
#include "tests/engine/sessions/session_pair.hpp"
#include "tests/support/stream_peers.hpp"

namespace multifd {
namespace {

using test::StrictRegionDevice;
using Chunks = std::vector<std::vector<std::byte>>;

// The first is larger than a section of a rate-limited pre-copy, none is of a whole page.
const Chunks kChunks{pattern(3000, 1), pattern(1, 2), pattern(3999, 3)};
const Chunks kEarly{pattern(300, 5), pattern(2000, 6)};

StrictRegionDevice::Script script(bool pre_copy) {
    StrictRegionDevice::Script made{.chunks = kChunks, .config = pattern(50, 9)};
    made.has_pre_copy = pre_copy;
    if (pre_copy) made.early = kEarly;
    return made;
}

/// The expected bytes, written down apart from the code that makes them.
class Stream {
  public:
    Stream& number(std::uint64_t value, unsigned bytes) {
        while (bytes-- > 0) bytes_.push_back(std::byte(value >> (8 * bytes) & 0xffU));
        return *this;
    }
    Stream& text(std::string_view text) {
        for (const char letter : text) bytes_.push_back(std::byte(letter));
        return *this;
    }
    Stream& raw(const std::vector<std::byte>& bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return *this;
    }
    /// START or FULL of device gpu0, section 1.
    Stream& full_section(unsigned type) {
        return number(type, 1).number(1, 4).number(4, 1).text("gpu0").number(0, 4).number(1, 4);
    }
    Stream& short_section(unsigned type) { return number(type, 1).number(1, 4); }
    Stream& token(unsigned low) { return number(0xffffffffef100000 + low, 8); }
    Stream& footer() { return number(0x7e, 1).number(1, 4); }
    Stream& data(const std::vector<std::byte>& chunk) {
        return token(4).number(chunk.size(), 8).raw(chunk);
    }
    [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

  private:
    std::vector<std::byte> bytes_;
};

Chunks device_early(bool pre_copy) {
    return pre_copy ? kEarly : Chunks();
}

/// Up to VMDESCRIPTION, with the first `parts` early chunks sent before the switchover.
Stream expected_stream(bool pre_copy, std::size_t parts) {
    const Chunks early = device_early(pre_copy);
    Stream stream;
    stream.number(0x5145564d, 4).number(3, 4);
    stream.number(7, 1).number(2, 4).text("pc");
    stream.number(8, 1).number(1, 2).number(0, 2);               // OPEN_RETURN_PATH
    stream.number(8, 1).number(2, 2).number(4, 2).number(1, 4);  // PING 1
    stream.full_section(1).token(3).token(1).footer();           // START: SETUP, END_OF_STATE
    for (std::size_t part = 0; part < parts; ++part) {
        stream.short_section(2).data(early[part]).token(1).footer();  // PART
    }
    stream.number(8, 1).number(11, 2).number(0, 2);  // SWITCHOVER_START
    stream.short_section(3);                         // END: every chunk, END_OF_STATE
    for (std::size_t rest = parts; rest < early.size(); ++rest) stream.data(early[rest]);
    for (const auto& chunk : kChunks) stream.data(chunk);
    stream.token(1).footer();
    stream.full_section(4).token(2).raw(pattern(50, 9)).token(1).footer();  // FULL: config
    return stream.number(0, 1).number(6, 1);                                // EOF, VMDESCRIPTION
}

bool begins_with(const std::vector<std::byte>& bytes, const std::vector<std::byte>& begin) {
    return bytes.size() >= begin.size() &&
           std::ranges::equal(std::span(bytes).first(begin.size()), begin);
}

std::shared_ptr<StrictRegionDevice> region(bool pre_copy) {
    return std::make_shared<StrictRegionDevice>(script(pre_copy));
}

TEST_CASE("a region device's stream is what a version 1 destination reads, to the byte",
          "[region]") {
    const bool pre_copy = GENERATE(false, true);
    const bool switchover_ack = GENERATE(false, true);
    const TemporaryFolder folder;
    RecordingServer server(RecordingServer::Manner::qemu);
    const auto device = region(pre_copy);
    SourceSettings settings;
    settings.to = server.address();
    settings.peer = Peer::qemu;
    settings.machine = "pc";
    settings.packet_size = 4096;
    settings.state_dir = folder / "state";
    // INIT_DATA_SENT would follow from it, which such a destination does not know.
    settings.switchover_ack = switchover_ack;

    Source source(settings, {{"gpu0", 0, MultifdProperty::automatic, make_region_adapter(device)}});
    const Report report = source.run();

    INFO((report.error ? report.error->message : ""));
    REQUIRE(report.status == Status::completed);
    CHECK(device->complaint().empty());
    server.write_recording(folder / "");
    const auto recorded = read_bytes(folder / "conn-0-src2dst.bin");
    // How many rounds fit before the switchover is the engine's choice; what is left then follows.
    std::vector<std::size_t> rounds;
    for (std::size_t parts = 0; parts <= device_early(pre_copy).size(); ++parts) {
        if (begins_with(recorded, expected_stream(pre_copy, parts).bytes()))
            rounds.push_back(parts);
    }
    CHECK(rounds.size() == 1);
}

TEST_CASE("chunks arrive as they were given, between multifd ends", "[region]") {
    const bool pre_copy = GENERATE(false, true);
    SessionPair pair;
    pair.source_settings.switchover_ack = pre_copy;
    // A pre-copy at this rate sends pieces smaller than a chunk.
    pair.source_settings.max_bandwidth = 100'000;
    const auto source = region(pre_copy);
    const auto destination = region(pre_copy);
    pair.add_devices("gpu0", make_region_adapter(source), make_region_adapter(destination));
    const auto reports = pair.run();
    INFO((reports.source.error ? reports.source.error->message : ""));
    CHECK(reports.source.status == Status::completed);
    CHECK(reports.destination.status == Status::completed);
    Chunks all = device_early(pre_copy);
    all.insert(all.end(), kChunks.begin(), kChunks.end());
    CHECK(destination->loaded() == all);
    CHECK(destination->loaded_config() == pattern(50, 9));
    CHECK(destination->running());
    CHECK(source->complaint().empty());
    CHECK(destination->complaint().empty());
    REQUIRE(reports.source.devices.size() == 1);
    CHECK_FALSE(reports.source.devices[0].multifd);
}

TEST_CASE("a chunk larger than the packet size fails, and the source goes on", "[region]") {
    SessionPair pair;
    StrictRegionDevice::Script large{.chunks = {pattern(4097)}};
    const auto source = std::make_shared<StrictRegionDevice>(large);
    const auto destination = std::make_shared<StrictRegionDevice>(large);
    pair.add_devices("gpu0", make_region_adapter(source), make_region_adapter(destination));
    const auto reports = pair.run();
    REQUIRE(reports.source.error);
    CHECK(reports.source.error->code == "device_failed");
    CHECK_THAT(reports.source.error->message, Catch::Contains("use a larger packet size"));
    CHECK(source->running());
    CHECK_FALSE(destination->running());
}

TEST_CASE("chunks of some MiB arrive whole too", "[region]") {
    SessionPair pair;
    pair.source_settings.packet_size = 4U << 20U;
    pair.destination_settings.max_queued_bytes = 64U << 20U;
    StrictRegionDevice::Script large{.chunks = {pattern(3U << 20U), pattern(5)}};
    large.window_bytes = 4U << 20U;
    const auto source = std::make_shared<StrictRegionDevice>(large);
    const auto destination = std::make_shared<StrictRegionDevice>(large);
    pair.add_devices("gpu0", make_region_adapter(source), make_region_adapter(destination));
    const auto reports = pair.run();
    CHECK(reports.destination.status == Status::completed);
    CHECK(destination->loaded() == large.chunks);
}

TEST_CASE("a destination refuses a chunk that it cannot take whole", "[region]") {
    SessionPair pair;
    pair.source_settings.packet_size = 1U << 20U;
    pair.destination_settings.max_queued_bytes = 64U << 20U;
    // An ordinary device at the source makes records as large as it likes, one after the other.
    const auto source =
        std::make_shared<ScriptedDevice>(ScriptedDevice::Script{.state = pattern(70'000)});
    const auto destination = std::make_shared<StrictRegionDevice>(script(false));
    pair.add_devices("gpu0", source, make_region_adapter(destination));
    const auto reports = pair.run();
    REQUIRE(reports.destination.error);
    CHECK_THAT(reports.destination.error->message, Catch::Contains("does not fit into the 65536"));
}

TEST_CASE("a region device cannot be made to use the channels", "[region]") {
    SourceSettings settings;
    settings.to = "unix:/nonexistent";
    CHECK_THROWS_WITH(
        Source(settings, {{"gpu0", 0, MultifdProperty::on, make_region_adapter(region(false))}}),
        "device gpu0 gives its state in chunks that must stay whole, which the channels do not "
        "keep; leave out multifd=on");
}

}  // namespace
}  // namespace multifd
