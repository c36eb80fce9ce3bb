#include "channels/wire/migration_stream.hpp"

#include <catch2/catch.hpp>

#include "channels/wire/assert.hpp"
#include "channels/wire/migration_stream_writer.hpp"
#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

using Lines = std::vector<std::string>;

TEST_CASE("a session's stream is read as the events it was written from", "[wire]") {
    const Received received = receive(session_stream(), session_sections());
    CHECK(received.end == "ok");
    CHECK(received.events == Lines{
                                 "header",
                                 "configuration none",
                                 "command 1 ",
                                 "command 2 4d464431",
                                 "command 19713 7b7d",
                                 "start device 1 gpu0/0 v1",
                                 "setup",
                                 "end of state",
                                 "section end 1",
                                 "start device 2 nic0/7 v1",
                                 "setup",
                                 "end of state",
                                 "section end 2",
                                 "full host 900 host-ram/0 v1",
                                 "data 3",
                                 "72616d",
                                 "end of state",
                                 "section end 900",
                                 "part device 2 nic0/7 v1",
                                 "data 5",
                                 "6561726c79",
                                 "init data sent",
                                 "section end 2",
                                 "command 11 ",
                                 "end device 1 gpu0/0 v1",
                                 "end of state",
                                 "section end 1",
                                 "end device 2 nic0/7 v1",
                                 "data 4",
                                 "6c617465",
                                 "end of state",
                                 "section end 2",
                                 "full device 1 gpu0/0 v1",
                                 "config 756e73697a6564",
                                 "section end 1",
                                 "full device 2 nic0/7 v1",
                                 "sized config 5",
                                 "73697a6564",
                                 "end of state",
                                 "section end 2",
                                 "eof",
                                 "vmdescription 2",
                                 "7b7d",
                                 "command 19716 00",
                                 "command 19714 ",
                             });
}

TEST_CASE("the stream's bytes are QEMU's", "[wire]") {
    Bytes stream;
    StreamWriter writer(stream);
    writer.header();
    writer.configuration("pc");
    writer.open_return_path();
    writer.ping(1);
    writer.section_begin(SectionType::start, 37, "gpu0", 2);
    writer.mark(DeviceMark::setup);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(37);
    writer.section_begin(SectionType::part, 37, "gpu0", 2);
    writer.data_begin(0x18);
    writer.mark(DeviceMark::init_data_sent);
    writer.section_end(37);
    writer.switchover_start();
    writer.section_begin(SectionType::full, 37, "gpu0", 2);
    writer.config(bytes_of("c"));
    writer.section_end(37);
    writer.eof();
    writer.vmdescription("{}");
    CHECK(to_hex(stream) ==
          "5145564d00000003"
          "07000000027063"
          "0800010000"
          "080002000400000001"
          "0100000025"
          "0467707530"
          "00000002"
          "00000001"
          "ffffffffef100003"
          "ffffffffef100001"
          "7e00000025"
          "0200000025"
          "ffffffffef100004"
          "0000000000000018"
          "ffffffffef100005"
          "7e00000025"
          "08000b0000"
          "0400000025"
          "0467707530"
          "00000002"
          "00000001"
          "ffffffffef100002"
          "63"
          "ffffffffef100001"
          "7e00000025"
          "00"
          "06000000027b7d");
}

TEST_CASE("a stream gives the same events however it is split", "[wire]") {
    const Bytes stream = session_stream();
    const auto sections = session_sections();
    const Lines whole = receive(stream, sections).events;
    for (std::size_t step : {1U, 2U, 3U, 7U, 64U}) {
        INFO("step " << step);
        CHECK(receive(stream, sections, {}, 0, step).events == whole);
    }
    for (std::size_t first = 0; first <= stream.size(); ++first) {
        const Received split = receive(stream, sections, {}, first, stream.size());
        if (split.events != whole || split.end != "ok") FAIL("first part of " << first);
    }
}

TEST_CASE("a stream may end between records only", "[wire]") {
    const Bytes stream = session_stream();
    const auto sections = session_sections();
    // Where a record ends, by the events of the whole stream read byte by byte.
    std::vector<std::size_t> boundaries;
    StreamParser parser(sections, {});
    std::size_t position = 0;
    while (position < stream.size()) {
        const auto parsed = parser.parse(std::span(stream).subspan(position));
        REQUIRE(parsed.has_value());
        REQUIRE(parsed->event.has_value());
        position += parsed->consumed + raw_bytes(*parsed->event);
        if (parser.at_record_boundary()) boundaries.push_back(position);
    }
    for (std::size_t length = 0; length < stream.size(); ++length) {
        const bool clean = std::ranges::find(boundaries, length) != boundaries.end();
        const Received cut = receive(std::span(stream).first(length), sections);
        INFO("cut at " << length);
        CHECK(cut.end == (clean ? "ok" : "stream_truncated"));
    }
}

TEST_CASE("the parser says where the stream stands", "[wire]") {
    const Bytes stream = session_stream();
    const auto sections = session_sections();
    StreamParser parser(sections, {});
    CHECK_FALSE(parser.at_record_boundary());
    CHECK(parser.section().idstr.empty());
    CHECK(parser.parse({}).value().needed == 8);
    std::size_t position = 0;
    bool switchover_before_eof = false;
    while (position < stream.size()) {
        const auto parsed = parser.parse(std::span(stream).subspan(position)).value();
        position += parsed.consumed + raw_bytes(*parsed.event);
        switchover_before_eof |= parser.switchover_seen() && !parser.eof_seen();
    }
    CHECK(switchover_before_eof);
    CHECK(parser.eof_seen());
    CHECK(parser.section().idstr == "nic0");
    CHECK(parser.finish(0).has_value());
    CHECK(outcome(parser.finish(1)) == "stream_truncated");
}

TEST_CASE("an unsized config state of the largest size is read, one byte more is refused",
          "[wire]") {
    const auto sections = session_sections();
    const auto stream_with = [](std::size_t config_bytes) {
        Bytes stream;
        StreamWriter writer(stream);
        writer.header();
        writer.configuration("none");
        writer.section_begin(SectionType::start, 1, "gpu0", 0);
        writer.mark(DeviceMark::setup);
        writer.mark(DeviceMark::end_of_state);
        writer.section_end(1);
        writer.section_begin(SectionType::full, 1, "gpu0", 0);
        append_bytes(stream, from_hex("ffffffffef100002"));
        stream.resize(stream.size() + config_bytes, std::byte{0x7e});
        writer.mark(DeviceMark::end_of_state);
        writer.section_end(1);
        return stream;
    };
    const Bytes largest = stream_with(limits::kConfigStateBytesMax);
    CHECK(receive(largest, sections, {}, SIZE_MAX).end == "ok");
    CHECK(receive(largest, sections, {}, 64, 50'000).end == "ok");
    const Bytes larger = stream_with(limits::kConfigStateBytesMax + 1);
    CHECK(receive(larger, sections, {}, SIZE_MAX).end == "config_too_large");
    CHECK(receive(larger, sections, {}, 64, 50'000).end == "config_too_large");
}

TEST_CASE("a config state may contain tokens, short of its own section's end", "[wire]") {
    Bytes config;
    StreamWriter inside(config);
    inside.mark(DeviceMark::end_of_state);
    inside.mark(DeviceMark::end_of_state);
    inside.section_end(2);  // Another section's footer.
    Bytes stream;
    StreamWriter writer(stream);
    writer.header();
    writer.configuration("none");
    writer.section_begin(SectionType::start, 1, "gpu0", 0);
    writer.mark(DeviceMark::setup);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(1);
    writer.section_begin(SectionType::full, 1, "gpu0", 0);
    writer.config(config);
    writer.section_end(1);

    const Received received = receive(stream, session_sections(), {}, 0, 1);

    CHECK(received.end == "ok");
    REQUIRE(received.events.size() >= 2);
    CHECK(received.events[received.events.size() - 2] == "config " + to_hex(config));
}

TEST_CASE("a session that loads no state at all is a stream too", "[wire]") {
    Bytes stream;
    StreamWriter writer(stream);
    writer.header();
    writer.configuration("none");
    writer.eof();
    const Received received = receive(stream, session_sections(), {.extensions = false});
    CHECK(received.end == "ok");
    CHECK(received.events == Lines{"header", "configuration none", "eof"});
}

TEST_CASE("writing what the format cannot hold is a fault of ours", "[wire]") {
    Bytes stream;
    StreamWriter writer(stream);
    const std::string long_name(256, 'x');
    CHECK_THROWS_AS(writer.configuration(""), InternalError);
    CHECK_THROWS_AS(writer.configuration(long_name), InternalError);
    CHECK_THROWS_AS(writer.section_begin(SectionType::start, 1, long_name, 0), InternalError);
    CHECK_THROWS_AS(writer.command(1, Bytes(65536)), InternalError);
    CHECK_THROWS_AS(writer.sized_config_begin(limits::kConfigStateBytesMax + 1), InternalError);
}
