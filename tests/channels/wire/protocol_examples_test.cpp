// The worked examples of PROTOCOL.md are what our encoders write, byte for byte.
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "channels/wire/channel_init.hpp"
#include "channels/wire/device_state_packet.hpp"
#include "channels/wire/hello.hpp"
#include "channels/wire/message_bodies.hpp"
#include "channels/wire/recording.hpp"
#include "channels/wire/return_path.hpp"
#include "channels/wire/transfer_report.hpp"
#include "channels/wire/zero_blocks.hpp"
#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

/// One word of an example: hexadecimal digits, "text" or 'text' (without spaces), or xN, which
/// makes the byte before it N in all.
void append_word(Bytes& target, const std::string& word) {
    if (word.front() == '"' || word.front() == '\'') {
        append_bytes(target, bytes_of(std::string_view(word).substr(1, word.size() - 2)));
    } else if (word.front() == 'x') {
        REQUIRE_FALSE(target.empty());
        target.resize(target.size() + std::stoul(word.substr(1)) - 1, target.back());
    } else {
        append_bytes(target, from_hex(word));
    }
}

/// The bytes of the block that begins with "```hex NAME"; '#' begins a remark.
Bytes example(const std::string& name) {
    std::ifstream document(MULTIFD_PROTOCOL);
    Bytes bytes;
    bool inside = false;
    for (std::string line; std::getline(document, line);) {
        if (line == "```hex " + name) {
            inside = true;
        } else if (inside && line == "```") {
            return bytes;
        } else if (inside) {
            std::istringstream words(line.substr(0, line.find('#')));
            for (std::string word; words >> word;) append_word(bytes, word);
        }
    }
    FAIL("PROTOCOL.md has no example " << name);
    return bytes;
}

SessionId session() {
    SessionId id;
    for (std::size_t i = 0; i < 16; ++i) id.bytes[i] = static_cast<std::byte>(0x11 * i);
    return id;
}

constexpr std::array<VerifyEntry, 2> kTable{
    VerifyEntry{.device = 0, .packets = 2, .bytes = 13, .digest = 0x95584244a1e6e77d},
    VerifyEntry{.device = 1, .packets = 0, .bytes = 8, .digest = 0x1ce31805ade7b814}};

Hello source_hello() {
    Hello hello;
    hello.software = "multifd";
    hello.channels = 2;
    hello.packet_bytes = 65536;
    hello.switchover_ack = true;
    hello.devices = {{.identity = {"gpu0", 0}},
                     {.identity = {"nic0", 1}, .multifd = MultifdChoice::off}};
    return hello;
}

Hello destination_hello() {
    Hello hello = source_hello();
    hello.channels = 0;
    hello.packet_bytes = 0;
    hello.packet_bytes_max = 1048576;
    hello.queued_bytes_max = 268435456;
    hello.devices[1].multifd = MultifdChoice::automatic;
    hello.session = session();
    return hello;
}

}  // namespace

TEST_CASE("PROTOCOL.md's channel is what is sent", "[wire][protocol]") {
    Bytes wire(kChannelInitBytes);
    encode(ChannelInit{.session = session(), .id = 1}, kMultifdMagic,
           std::span<std::byte, kChannelInitBytes>(wire));
    std::array<std::byte, kDeviceStatePrologueBytes> prologue{};
    encode({.idstr = "gpu0", .instance_id = 0, .idx = 0, .config = false, .data_bytes = 4},
           prologue);
    append_bytes(wire, prologue);
    append_bytes(wire, bytes_of("DATA"));
    encode({.idstr = "gpu0", .instance_id = 0, .idx = 1, .config = true, .data_bytes = 20},
           prologue);
    append_bytes(wire, prologue);
    append_bytes(wire, config_state_token());
    append_bytes(wire, bytes_of("conf"));
    append_bytes(wire, end_of_state_token());
    std::array<std::byte, kPacketPrefixBytes> end{};
    encode_channel_end(end);
    append_bytes(wire, end);
    CHECK(to_hex(example("channel")) == to_hex(wire));
}

TEST_CASE("PROTOCOL.md's encoded packets are what is sent", "[wire][protocol]") {
    const Bytes documented = example("encoded");
    Bytes wire;
    std::array<std::byte, kEncodedPrologueBytes> prologue{};
    DeviceStateHeader header{.idstr = "gpu0", .idx = 0};
    header.encoding = PacketEncoding::zero_tail;
    header.raw_bytes = 8192;
    append_bytes(wire, encode(header, prologue));
    header.idx = 1;
    header.raw_bytes = 4096;
    header.data_bytes = 4;
    append_bytes(wire, encode(header, prologue));
    append_bytes(wire, bytes_of("DATA"));
    // The frame is the compressor's: any that holds the same bytes would do.
    const std::size_t frame_at = wire.size() + kEncodedPrologueBytes;
    REQUIRE(documented.size() > frame_at);
    const auto frame = std::span(documented).subspan(frame_at);
    header = {.idstr = "gpu0", .idx = 2};
    header.encoding = PacketEncoding::zstd;
    header.raw_bytes = 64;
    header.data_bytes = static_cast<std::uint32_t>(frame.size());
    append_bytes(wire, encode(header, prologue));
    append_bytes(wire, frame);
    CHECK(to_hex(documented) == to_hex(wire));

    Bytes recording(kChannelInitBytes);
    encode(ChannelInit{.session = session(), .id = 1}, kMultifdMagic,
           std::span<std::byte, kChannelInitBytes>(recording));
    append_bytes(recording, documented);
    ChannelReader reader(recording);
    REQUIRE(reader.init().has_value());
    for (const std::uint32_t size : {8192U, 4096U, 64U}) {
        const auto packet = reader.next();
        REQUIRE(packet.has_value());
        CHECK(std::get<DeviceStateHeader>((*packet)->header).state_bytes() == size);
    }
    CHECK_FALSE(reader.next().value());
}

TEST_CASE("PROTOCOL.md's packet without blocks of zeros is what is sent", "[wire][protocol]") {
    std::array<std::byte, kEncodedPrologueBytes> prologue{};
    DeviceStateHeader header{.idstr = "gpu0", .idx = 3};
    header.encoding = PacketEncoding::zero_blocks;
    header.raw_bytes = 5 * kZeroBlockBytes + 4;
    Bytes map(zero_block_map_bytes(header.raw_bytes));
    for (const std::size_t index : {1U, 2U, 5U}) mark_block_sent(map, index);
    header.data_bytes = static_cast<std::uint32_t>(map.size() + 2 * kZeroBlockBytes + 4);
    Bytes wire;
    append_bytes(wire, encode(header, prologue));
    append_bytes(wire, map);
    wire.resize(wire.size() + 2 * kZeroBlockBytes, std::byte{'a'});
    append_bytes(wire, bytes_of("tail"));
    CHECK(to_hex(example("zero-blocks")) == to_hex(wire));
    CHECK(check_zero_block_map(map, header.raw_bytes, 2 * kZeroBlockBytes + 4));
}

TEST_CASE("PROTOCOL.md's main channel is what is sent, and a stream a receiver takes",
          "[wire][protocol]") {
    Bytes wire;
    StreamWriter writer(wire);
    writer.header();
    writer.configuration("multifd");
    writer.open_return_path();
    writer.ping(kHelloPing);
    writer.command(kCommandHello, encode(source_hello()).value());
    writer.ping(2);
    writer.section_begin(SectionType::start, 1, "gpu0", 0);
    writer.mark(DeviceMark::setup);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(1);
    writer.section_begin(SectionType::start, 2, "nic0", 1);
    writer.mark(DeviceMark::setup);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(2);
    writer.section_begin(SectionType::part, 1, "gpu0", 0);
    writer.data_begin(5);
    append_bytes(wire, bytes_of("early"));
    writer.mark(DeviceMark::init_data_sent);
    writer.section_end(1);
    writer.section_begin(SectionType::full, 1001, "cpu", 0);
    writer.data_begin(3);
    append_bytes(wire, bytes_of("rip"));
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(1001);
    writer.switchover_start();
    writer.section_begin(SectionType::end, 1, "gpu0", 0);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(1);
    writer.section_begin(SectionType::end, 2, "nic0", 1);
    writer.data_begin(4);
    append_bytes(wire, bytes_of("late"));
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(2);
    writer.section_begin(SectionType::full, 1, "gpu0", 0);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(1);
    writer.section_begin(SectionType::full, 2, "nic0", 1);
    writer.sized_config_begin(4);
    append_bytes(wire, bytes_of("conf"));
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(2);
    writer.eof();
    writer.vmdescription("{}");
    writer.command(kCommandVerify, encode_verify(kTable).front());
    writer.command(kCommandCommit);

    const Bytes documented = example("main-channel");
    CHECK(to_hex(documented) == to_hex(wire));
    const NamedSections sections(
        {{"gpu0", SectionKind::device}, {"nic0", SectionKind::device}, {"cpu", SectionKind::host}});
    CHECK(receive(documented, sections).end == "ok");
}

TEST_CASE("PROTOCOL.md's pre-copy over the channels is what is sent", "[wire][protocol]") {
    Bytes channel;
    std::array<std::byte, kDeviceStatePrologueBytes> prologue{};
    encode({.idstr = "gpu0", .idx = 0, .pre_copy = true, .data_bytes = 5}, prologue);
    append_bytes(channel, prologue);
    append_bytes(channel, bytes_of("early"));
    encode({.idstr = "gpu0", .idx = 1, .data_bytes = 4}, prologue);
    append_bytes(channel, prologue);
    append_bytes(channel, bytes_of("DATA"));
    CHECK(to_hex(example("pre-copy-channel")) == to_hex(channel));

    Hello hello = source_hello();
    hello.features = {std::string(kFeaturePreCopyChannels)};
    hello.devices[0].pre_copies = true;
    constexpr std::array<VerifyEntry, 2> kCounts{VerifyEntry{0, 3, 13, 0x14b0cfafd8365faf, 5},
                                                 VerifyEntry{1, 0, 8, 0x1ce31805ade7b814, 0}};
    Bytes main;
    StreamWriter writer(main);
    writer.command(kCommandHello, encode(hello).value());
    writer.section_begin(SectionType::part, 1, "gpu0", 0);
    writer.init_data_below(1);
    writer.section_end(1);
    writer.command(kCommandPreCopyQuery);
    writer.command(kCommandSwitchoverAt, encode_switchover({{SwitchoverEntry{0, 1}}}));
    writer.command(kCommandVerify, encode_verify(kCounts).front());
    CHECK(to_hex(example("pre-copy-main-channel")) == to_hex(main));

    Bytes back;
    append_message(back, ReturnPathType::pre_copy_status,
                   encode_pre_copy_status({{PreCopyStatusEntry{0, 5, 9}}}).front());
    CHECK(to_hex(example("pre-copy-return-path")) == to_hex(back));
}

TEST_CASE("PROTOCOL.md's return path is what is sent", "[wire][protocol]") {
    Bytes wire;
    append_message(wire, ReturnPathType::hello, encode(destination_hello()).value());
    append_message(wire, ReturnPathType::pong, encode_u32(kHelloPing));
    append_message(wire, ReturnPathType::pong, encode_u32(2));
    append_message(wire, ReturnPathType::ready);
    append_message(wire, ReturnPathType::switchover_ack);
    append_message(wire, ReturnPathType::loaded, encode_verify(kTable).front());
    append_message(wire, ReturnPathType::running);
    CHECK(to_hex(example("return-path")) == to_hex(wire));
}

TEST_CASE("PROTOCOL.md's transfer report is what is sent", "[wire][protocol]") {
    Bytes wire;
    append_message(wire, ReturnPathType::transfer_report,
                   encode(TransferReport{.us = 9000,
                                         .user_us = 1000,
                                         .system_us = 2000,
                                         .processors = 8,
                                         .peak_queued_bytes = 65536,
                                         .channel_cpu_us = 900,
                                         .receive_us = 800,
                                         .reorder_wait_us = 70,
                                         .write_us = 600,
                                         .config_us = 5,
                                         .validate_us = 40}));
    CHECK(to_hex(example("transfer-report")) == to_hex(wire));
}

TEST_CASE("PROTOCOL.md's control connection is what is sent", "[wire][protocol]") {
    Bytes wire(kChannelInitBytes);
    encode(ChannelInit{.session = session(), .id = 0}, kControlMagic,
           std::span<std::byte, kChannelInitBytes>(wire));
    append_message(wire, ControlType::heartbeat, encode(Heartbeat{.progress = 7, .status = 2}));
    const PeerError error{.code = "device_failed",
                          .phase = "device",
                          .device = "gpu0",
                          .idx = 3,
                          .channel = 1,
                          .message = "write"};
    append_message(wire, ControlType::error, encode(error));
    append_message(wire, ControlType::cancel_request);
    CHECK(to_hex(example("control")) == to_hex(wire));
}
