#include "channels/wire/recording.hpp"

#include <catch2/catch.hpp>

#include "channels/wire/message_bodies.hpp"
#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

struct Reading {
    std::vector<std::string> events;
    std::string end = "ok";
    std::size_t offset = 0;
};

Reading read_main(std::span<const std::byte> stream) {
    Reading reading;
    MainStreamReader reader(stream);
    while (true) {
        const auto next = reader.next();
        reading.offset = reader.offset();
        if (!next) {
            reading.end = error_name(next.error());
            return reading;
        }
        if (!*next) return reading;
        std::string line = test::to_string((*next)->event);
        if (!(*next)->raw.empty()) line += " = " + to_hex((*next)->raw).substr(0, 32);
        reading.events.push_back(std::move(line));
    }
}

std::string read_channel(std::span<const std::byte> stream) {
    ChannelReader reader(stream);
    if (const auto init = reader.init(); !init) return outcome(init);
    int packets = 0;
    while (true) {
        const auto next = reader.next();
        if (!next) return outcome(next);
        if (!*next) return std::to_string(packets) + " packets";
        ++packets;
    }
}

Bytes channel_stream() {
    Bytes stream(kChannelInitBytes);
    encode(ChannelInit{.session = {}, .id = 1}, kMultifdMagic,
           std::span<std::byte, kChannelInitBytes>(stream));
    std::array<std::byte, kDeviceStatePrologueBytes> prologue{};
    encode({.idstr = "gpu0", .instance_id = 0, .idx = 0, .config = false, .data_bytes = 5},
           prologue);
    append_bytes(stream, prologue);
    append_bytes(stream, bytes_of("state"));
    Bytes ram =
        from_hex("11223344 00000001 00000001 00000080 00000000 00000000 0000000000000001 00000000");
    ram.resize(kRamHeaderBytes);
    append_bytes(stream, ram);
    std::array<std::byte, kPacketPrefixBytes> end{};
    encode_channel_end(end);
    append_bytes(stream, end);
    return stream;
}

}  // namespace

TEST_CASE("a recording of QEMU is read with its RAM and machine sections", "[wire]") {
    const Reading reading = read_main(qemu_stream());
    CHECK(reading.end == "ok");
    CHECK(reading.events == std::vector<std::string>{
                                "header",
                                "configuration pc-q35-10.0",
                                "command 1 ",
                                "command 2 00000001",
                                "start ram 1 ram/0 v4",
                                "ram 0  12288 0",
                                "ram 1 pc.ram 0 8192",
                                "ram 1 boot 0 4096",
                                "ram 5  0 0",
                                "section end 1",
                                "start device 37 0000:00:04.0/vfio/0 v1",
                                "setup",
                                "end of state",
                                "section end 37",
                                "part ram 1 ram/0 v4",
                                "ram 2 pc.ram 4096 1",
                                "ram 3  0 3",
                                "ram 4  0 0",
                                "ram 5  0 0",
                                "section end 1",
                                "command 11 ",
                                "end device 37 0000:00:04.0/vfio/0 v1",
                                "end of state",
                                "section end 37",
                                "foreign full foreign 0 timer/0 v2 = aaaabbbb050373756200000001cc",
                                "section end 0",
                                "full device 37 0000:00:04.0/vfio/0 v1",
                                "end of state",
                                "section end 37",
                                "eof",
                                "vmdescription " + std::to_string(kQemuDescription.size()) +
                                    " = 7b2264657669636573223a5b7b226e61"});
}

TEST_CASE("a recording of two multifd ends is read without knowing its devices", "[wire]") {
    const Reading reading = read_main(session_stream());
    CHECK(reading.end == "ok");
    const auto has = [&](const std::string& line) {
        return std::ranges::find(reading.events, line) != reading.events.end();
    };
    CHECK(has("full host 900 host-ram/0 v1"));
    CHECK(has("data 3 = 72616d"));
    CHECK(has("sized config 5 = 73697a6564"));
    CHECK(has("command 19714 "));
}

TEST_CASE("a RAM section that contradicts itself is refused", "[wire]") {
    const std::string body = GENERATE(as<std::string>{}, "0000000000000001",  // no such flag
                                      "000000000000000a 0161 00",             // two kinds of page
                                      "0000000000001004 0161 0000000000001001");  // block too long
    Bytes stream;
    StreamWriter writer(stream);
    writer.header();
    writer.configuration("pc");
    writer.section_begin(SectionType::start, 1, "ram", 0, 4);
    append_bytes(stream, from_hex(body));
    stream.resize(stream.size() + 32);
    CHECK(read_main(stream).end == "ram_section_malformed");
}

TEST_CASE("RAM's block list stands in START only, and its version is known", "[wire]") {
    Bytes stream;
    StreamWriter writer(stream);
    writer.header();
    writer.configuration("pc");
    writer.section_begin(SectionType::start, 1, "ram", 0, 4);
    append_bytes(stream, from_hex("0000000000000010"));
    writer.section_end(1);
    Bytes late = stream;
    StreamWriter(late).section_begin(SectionType::part, 1, "", 0);
    append_bytes(late, from_hex("0000000000001004"));
    CHECK(read_main(late).end == "ram_section_malformed");
    StreamWriter(stream).section_begin(SectionType::start, 2, "ram", 1, 5);
    CHECK(read_main(stream).end == "section_version_wrong");
}

TEST_CASE("without the description a recording is read up to its first machine section", "[wire]") {
    const Bytes whole = qemu_stream();
    const std::size_t description = whole.size() - kQemuDescription.size() - 5;
    const Reading reading = read_main(std::span(whole).first(description));
    CHECK(reading.end == "recording_unreadable");
    CHECK(reading.events.back() == "section end 37");
}

TEST_CASE("a description that does not fit its stream leaves it unreadable", "[wire]") {
    const auto with_description = [](std::string_view json) {
        const Bytes whole = qemu_stream();
        const auto kept = std::span(whole).first(whole.size() - kQemuDescription.size() - 5);
        Bytes stream(kept.begin(), kept.end());
        StreamWriter(stream).vmdescription(json);
        return stream;
    };
    const std::string json =
        GENERATE(as<std::string>{}, "{}", "{", "{\"devices\":{}}", "{\"devices\":[1]}",
                 R"({"devices":[{"name":"other","vmsd_name":"x"}]})",
                 R"({"devices":[{"name":"timer","vmsd_name":"x","fields":[{"size":-1}]}]})",
                 R"({"devices":[{"name":"timer","vmsd_name":"x","fields":[1]}]})",
                 R"({"devices":[{"name":"timer","vmsd_name":"x","fields":[)"
                 R"({"size":9000000000000000000,"array_len":9000000000000000000}]}]})",
                 R"({"devices":[{"name":"timer","vmsd_name":"x","subsections":[{}]}]})");
    CAPTURE(json);
    CHECK(read_main(with_description(json)).end == "recording_unreadable");
    std::string nested = "{\"devices\":";
    nested.append(5000, '[');
    CHECK(read_main(with_description(nested)).end == "recording_unreadable");
    // A length beyond the recording's end.
    CHECK(read_main(
              with_description(
                  R"({"devices":[{"name":"timer","vmsd_name":"x","fields":[{"size":99999}]}]})"))
              .end == "stream_truncated");
}

TEST_CASE("a recorded channel is read to its end mark, after which nothing may stand", "[wire]") {
    Bytes stream = channel_stream();
    CHECK(read_channel(stream) == "3 packets");
    append_bytes(stream, std::span(stream).last(kPacketPrefixBytes));
    CHECK(read_channel(stream) == "packet_unexpected");
}

TEST_CASE("a recorded channel that stops inside a packet closed early", "[wire]") {
    const Bytes stream = channel_stream();
    const std::size_t packets_at = kChannelInitBytes;
    const std::size_t ram_at = packets_at + kDeviceStatePrologueBytes + 5;
    const std::size_t end_at = ram_at + kRamHeaderBytes;
    for (std::size_t length = 0; length < stream.size(); ++length) {
        const bool clean = length == packets_at || length == ram_at || length == end_at;
        INFO("cut at " << length);
        const std::string outcome = read_channel(std::span(stream).first(length));
        CHECK((clean ? outcome.ends_with("packets") : outcome == "channel_closed_early"));
    }
}

TEST_CASE("what a recording is, is seen by its first bytes", "[wire]") {
    const auto kind = [](const char* hex) { return classify_recording(from_hex(hex)); };
    CHECK(kind("5145564d").value() == RecordingKind::main_channel);
    CHECK(kind("11223344").value() == RecordingKind::channel);
    CHECK(kind("4d464443").value() == RecordingKind::control);
    CHECK(kind("0002000400000001").value() == RecordingKind::return_path);
    CHECK(kind("4d410009").value() == RecordingKind::control);
    CHECK(outcome(kind("")) == "recording_unreadable");
    CHECK(outcome(kind("00020005")) == "recording_unreadable");
}

TEST_CASE("recorded messages are read with their offsets, and a cut one is truncated", "[wire]") {
    Bytes stream;
    append_message(stream, ControlType::heartbeat, encode(Heartbeat{1, 2}));
    append_message(stream, ControlType::cancel_request);
    MessageReader reader(stream, RecordingKind::control);
    CHECK(reader.next().value()->offset == 0);
    const auto second = reader.next().value();
    CHECK(second->offset == 13);
    CHECK(second->message.type == 0x4d43);
    CHECK_FALSE(reader.next().value().has_value());

    stream.pop_back();
    MessageReader cut(stream, RecordingKind::control, 13);
    CHECK(outcome(cut.next()) == "stream_truncated");
    MessageReader wrong(stream, RecordingKind::return_path);
    CHECK(outcome(wrong.next()) == "return_path_type_unknown");
}
