// The inspection of recordings made here, each with one thing wrong, and of QEMU's.
#include "engine/cli/inspection.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "channels/codec/zstd_compressor.hpp"
#include "channels/wire/hello.hpp"
#include "channels/wire/transfer_report.hpp"
#include "engine/cli/inspect_extract.hpp"
#include "engine/cli/recording_files.hpp"
#include "engine/cli/state_unpacker.hpp"
#include "tests/engine/cli/recording_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

using namespace recorded;

std::vector<std::string> codes(const Inspection& inspection) {
    std::vector<std::string> found;
    for (const Finding& finding : inspection.findings) {
        found.push_back(std::string(to_string(finding.severity)) + " " + finding.code);
    }
    return found;
}

using Codes = std::vector<std::string>;

std::vector<std::string> captures() {
    std::vector<std::string> folders;
    for (const auto& entry :
         std::filesystem::directory_iterator(MULTIFD_SOURCE_FOLDER "/tests/captures")) {
        if (entry.is_directory()) folders.push_back(entry.path());
    }
    std::ranges::sort(folders);
    return folders;
}

}  // namespace

TEST_CASE("in a good recording nothing is amiss", "[cli]") {
    const std::vector<Bytes> recording{main_channel("", "early"), return_path(),
                                       good_channel().bytes};
    const Inspection inspection = inspect(recording);
    CHECK(codes(inspection).empty());
    REQUIRE(inspection.devices.size() == 1);
    const InspectedDevice& device = inspection.devices.begin()->second;
    CHECK(device.packets.size() == 3);
    CHECK(device.ended);
    const OrderedState state = order_state(device);
    CHECK(state.complete);
    CHECK(state.buffers.size() == 2);
    REQUIRE(inspection.channels.size() == 1);
    CHECK(inspection.channels.front().device_packets == 3);
}

TEST_CASE("each thing wrong with a device's packets has its finding", "[cli]") {
    struct Case {
        const char* name;
        ChannelRecording channel;
        Codes expected;
    };
    const std::vector<Case> cases{
        {"gap", ChannelRecording().state(0, "a").state(3, "b").config(4, "c"), {"error idx_gap"}},
        {"first missing", ChannelRecording().state(1, "a").config(2, "c"), {"error idx_gap"}},
        {"twice the same",
         ChannelRecording().state(0, "a").state(0, "a").config(1, "c"),
         {"information out_of_order", "error idx_duplicate"}},
        {"config below",
         ChannelRecording().state(0, "a").config(1, "c").state(2, "b"),
         {"error config_below_received"}},
        {"two configs",
         ChannelRecording().state(0, "a").config(1, "c").config(2, "c"),
         {"error config_duplicate"}},
        {"no config", ChannelRecording().state(0, "a").state(1, "b"), {"error config_missing"}},
        {"config without tokens",
         ChannelRecording().state(0, "a").add(kGpu, 1, true, Bytes(16)),
         {"error config_malformed"}},
        {"out of order",
         ChannelRecording().state(1, "b").state(0, "a").config(2, "c"),
         {"information out_of_order"}},
        {"config alone", ChannelRecording().config(0, "c"), {}},
    };
    for (const Case& given : cases) {
        CAPTURE(given.name);
        CHECK(codes(inspect({main_channel(), return_path(), given.channel.bytes})) ==
              given.expected);
    }
}

TEST_CASE("a gap names what is missing, a repetition whether the data is the same", "[cli]") {
    const Bytes gaps =
        ChannelRecording().state(1, "a").state(4, "b").state(5, "b").config(7, "c").bytes;
    CHECK(inspect({main_channel(), return_path(), gaps}).findings.at(0).message ==
          "4 idx missing: 0, 2 to 3, 6");
    const Bytes twice = ChannelRecording().state(0, "a").state(0, "b").config(1, "c").bytes;
    CHECK(inspect({twice}).findings.at(1).message == "idx 0 came twice, with different data");
}

namespace {

Bytes frame_of(const Bytes& state) {
    ZstdCompressor compressor(1, 4096);
    Bytes frame(state.size() + 64);
    frame.resize(compressor.compress(state, frame).value());
    return frame;
}

}  // namespace

TEST_CASE("encoded packets count and are extracted as the state that they stand for", "[cli]") {
    const Bytes wordy = text_bytes(std::string(1000, 'w'));
    ChannelRecording channel;
    channel.encoded(0, PacketEncoding::zstd, 1000, frame_of(wordy))
        .encoded(1, PacketEncoding::zero_tail, 4096, {})
        .encoded(2, PacketEncoding::zero_tail, 10, text_bytes("abc"))
        .encoded(3, PacketEncoding::zero_blocks, 4097, text_bytes("\x40z"))
        .state(4, "end")
        .config(5, "settings");
    const std::vector<Bytes> recording{main_channel(), return_path(), channel.bytes};
    const Inspection inspection = inspect(recording);
    CHECK(codes(inspection).empty());
    const OrderedState state = order_state(inspection.devices.begin()->second);
    CHECK(state.complete);
    const TemporaryFolder folder;
    const auto files = extract_devices(inspection, folder.path());
    REQUIRE(files.size() == 2);
    CHECK(files[0].bytes == 1000 + 4096 + 10 + 4097 + 3);
    CHECK(read_text(files[0].path) == std::string(1000, 'w') + std::string(4096, '\0') + "abc" +
                                          std::string(7 + 4096, '\0') + "z" + "end");
}

TEST_CASE("a damaged frame has its finding, and its state is incomplete", "[cli]") {
    Bytes frame = frame_of(text_bytes(std::string(1000, 'w')));
    struct Case {
        const char* name;
        std::uint32_t raw_bytes;
        const char* expected;
    };
    const auto one = GENERATE(values<Case>({{"too long", 999, "error zstd_too_long"},
                                            {"too short", 1001, "error zstd_too_short"},
                                            {"no frame", 1000, "error zstd_corrupt"}}));
    CAPTURE(one.name);
    if (one.raw_bytes == 1000) frame[0] = std::byte{0};
    ChannelRecording channel;
    channel.state(0, "abc").encoded(1, PacketEncoding::zstd, one.raw_bytes, frame).config(2, "c");
    const std::vector<Bytes> recording{main_channel(), return_path(), channel.bytes};
    const Inspection inspection = inspect(recording);
    CHECK(codes(inspection) == Codes{one.expected});
    REQUIRE_FALSE(inspection.findings.empty());
    CHECK(inspection.findings[0].offset == kChannelInitBytes + kDeviceStatePrologueBytes + 3);
    const TemporaryFolder folder;
    const auto files = extract_devices(inspection, folder.path());
    CHECK_THAT(files.at(0).path, Catch::EndsWith(".state.incomplete"));
    CHECK(read_text(files.at(0).path) == "abc");
}

TEST_CASE("a recorded packet is unpacked to what it stands for, raw ones where they are", "[cli]") {
    StateUnpacker unpacker;
    const Bytes wordy = text_bytes(std::string(1000, 'w'));
    const Bytes frame = frame_of(wordy);
    StatePacket packet{.data = wordy, .state_bytes = 1000};
    CHECK(unpacker.unpack(packet).value().data() == wordy.data());
    packet = {.data = frame, .encoding = PacketEncoding::zstd, .state_bytes = 1000};
    CHECK(std::ranges::equal(unpacker.unpack(packet).value(), wordy));
    packet.state_bytes = 999;
    CHECK(unpacker.unpack(packet).error() == Errc::zstd_too_long);
    packet = {.data = wordy, .encoding = PacketEncoding::zero_tail, .state_bytes = 1002};
    const auto tailed = unpacker.unpack(packet).value();
    CHECK(tailed.size() == 1002);
    CHECK(tailed.back() == std::byte{0});
    // Block 1 of two, the short one.
    const Bytes blocks = text_bytes(
        "\x40"
        "abc");
    packet = {.data = blocks, .encoding = PacketEncoding::zero_blocks, .state_bytes = 4099};
    const auto restored = unpacker.unpack(packet).value();
    CHECK(std::ranges::equal(restored.first(4096), Bytes(4096)));
    CHECK(std::ranges::equal(restored.subspan(4096), text_bytes("abc")));
    packet.state_bytes = 4100;
    CHECK(unpacker.unpack(packet).error() == Errc::zero_blocks_malformed);
}

TEST_CASE("a repeated idx is compared by state, in whatever form it came", "[cli]") {
    const Bytes zeros(100);
    ChannelRecording channel;
    channel.add(kGpu, 0, false, zeros)
        .encoded(0, PacketEncoding::zero_tail, 100, {})
        .config(1, "c");
    CHECK(inspect({channel.bytes}).findings.at(1).message ==
          "idx 0 came twice, with the same data");
}

TEST_CASE("without its main channel a recording is a part, and gaps are warnings", "[cli]") {
    const Bytes part = ChannelRecording().state(1, "b").bytes;
    const Inspection inspection = inspect({part});
    CHECK(codes(inspection) == Codes{"warning idx_gap", "warning config_missing"});
    CHECK_FALSE(inspection.has_errors());
    CHECK_THAT(inspection.findings.front().message, Catch::Contains("perhaps on a channel"));
}

TEST_CASE("each thing wrong with files and channels has its finding", "[cli]") {
    const Bytes good = good_channel().bytes;
    SECTION("truncated") {
        const Bytes cut(good.begin(), good.end() - 1);
        const Inspection inspection = inspect({cut});
        CHECK(codes(inspection) == Codes{"error channel_closed_early", "warning config_missing"});
        CHECK(inspection.findings.front().offset.has_value());
        CHECK(inspection.findings.front().file == "file-0");
    }
    SECTION("unknown bytes") {
        CHECK(codes(inspect({Bytes(100, std::byte{0x5a})})) == Codes{"error recording_unreadable"});
    }
    SECTION("unknown bytes behind good ones") {
        Bytes longer = good;
        longer.insert(longer.end(), 100, std::byte{0x5a});
        const Inspection inspection = inspect({longer});
        CHECK(codes(inspection) == Codes{"error packet_magic_wrong"});
        CHECK(inspection.findings.front().offset == good.size());
        CHECK_THAT(inspection.findings.front().message, Catch::Contains("100 bytes"));
    }
    SECTION("an empty file is nothing") {
        CHECK(codes(inspect({Bytes{}})).empty());
    }
    SECTION("a channel twice") {
        CHECK(codes(inspect({ChannelRecording(3).bytes, ChannelRecording(3).bytes})) ==
              Codes{"error channel_duplicate"});
    }
    SECTION("two sessions") {
        CHECK(codes(inspect({ChannelRecording(0, std::byte{1}).bytes,
                             ChannelRecording(1, std::byte{2}).bytes})) ==
              Codes{"error session_unknown"});
    }
    SECTION("a channel missing") {
        CHECK(codes(inspect({main_channel(), return_path(), ChannelRecording(1).bytes})) ==
              Codes{"warning channel_missing"});
    }
}

TEST_CASE("what the two ends said is held against each other", "[cli]") {
    const Bytes good = good_channel().bytes;
    CHECK(codes(inspect({main_channel(), return_path(true, false), good})) ==
          Codes{"warning verdict_missing"});
    CHECK(codes(inspect({main_channel(), return_path(false, true), good})) ==
          Codes{"warning ping_unanswered"});
    CHECK(codes(inspect({main_channel("", "", false), return_path(), good})) ==
          Codes{"warning eof_missing"});
    CHECK(codes(inspect({main_channel("state"), return_path(), good})) ==
          Codes{"error config_duplicate", "error state_on_both_paths"});
    Bytes failed;
    append_message(failed, ReturnPathType::pong, encode_u32(1));
    append_message(failed, ReturnPathType::shut, encode_u32(1));
    CHECK(codes(inspect({main_channel(), failed, good})) == Codes{"warning peer_failed"});
}

TEST_CASE("hellos that disagree, and counts that differ, are found", "[cli]") {
    Hello source;
    source.software = "test";
    source.channels = 1;
    source.packet_bytes = 4096;
    source.devices = {{{kGpu, 0}, MultifdChoice::on, true, 0}};
    Hello destination = source;
    destination.packet_bytes = 0;
    destination.packet_bytes_max = 4096;
    destination.session = SessionId{};
    const bool disagree = GENERATE(false, true);
    if (disagree) destination.devices.front().multifd = MultifdChoice::off;
    const bool counted_alike = GENERATE(false, true);
    CAPTURE(disagree, counted_alike);

    Bytes main;
    StreamWriter writer(main);
    writer.header();
    writer.configuration("none");
    writer.open_return_path();
    writer.ping(kHelloPing);
    writer.command(kCommandHello, *encode(source));
    writer.eof();
    const VerifyEntry sent{0, 3, 5, 77};
    writer.command(kCommandVerify, encode_verify({&sent, 1}).front());
    VerifyEntry loaded = sent;
    if (!counted_alike) loaded.packets = 2;
    Bytes back;
    append_message(back, ReturnPathType::hello, *encode(destination));
    append_message(back, ReturnPathType::pong, encode_u32(kHelloPing));
    append_message(back, ReturnPathType::transfer_report, encode(TransferReport{}));
    append_message(back, ReturnPathType::loaded, encode_verify({&loaded, 1}).front());
    append_message(back, ReturnPathType::running);

    Codes expected;
    if (disagree) expected.push_back("error multifd_disagree");
    if (!counted_alike) expected.push_back("error count_mismatch");
    const Inspection inspection = inspect({main, back});
    CHECK(codes(inspection) == expected);
    if (!counted_alike) CHECK(inspection.findings.back().device->idstr == kGpu);
}

TEST_CASE("QEMU's recordings read to their last byte without an error", "[cli]") {
    const std::string folder = GENERATE(from_range(captures()));
    CAPTURE(folder);
    const RecordingFiles recording = RecordingFiles::open({folder});
    Blind blind;
    const Inspection inspection = inspect_recording(recording.files(), blind);
    const bool hung = folder.find("src-on-dst-off") != std::string::npos;
    CHECK(codes(inspection) == (hung ? Codes{"warning verdict_missing"} : Codes{}));
    CHECK_FALSE(inspection.devices.empty());
    for (const auto& [identity, device] : inspection.devices) {
        CHECK(order_state(device).complete);
        CHECK(config_of(device).has_value());
    }
}

}  // namespace multifd
