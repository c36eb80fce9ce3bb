// The main channel's bytes come in whatever pieces the network makes of them.
#include "engine/main_channel/main_channel_reader.hpp"

#include <catch2/catch.hpp>
#include <future>
#include <string>

#include "channels/wire/migration_stream_writer.hpp"
#include "tests/engine/sessions/scripted_device.hpp"
#include "tests/support/connection_pair.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

class OneDevice final : public SectionClassifier {
  public:
    SectionKind kind_of(std::string_view idstr, std::uint32_t) const noexcept override {
        return idstr == "gpu0" ? SectionKind::device : SectionKind::host;
    }
};

/// A reader at one end of a pair.
struct Reading {
    ConnectionPair pair;
    OneDevice classifier;
    Interrupt interrupt;
    MainChannelReader reader{pair.ours, classifier, ParserOptions{}, interrupt};
};

void append(std::vector<std::byte>& target, std::span<const std::byte> bytes) {
    target.insert(target.end(), bytes.begin(), bytes.end());
}

/// The head, a command and the beginning of gpu0: what most tests need in front.
std::vector<std::byte> opening() {
    std::vector<std::byte> bytes;
    StreamWriter writer(bytes);
    writer.header();
    writer.configuration("none");
    writer.ping(7);
    writer.section_begin(SectionType::start, 1, "gpu0", 0);
    writer.mark(DeviceMark::setup);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(1);
    return bytes;
}

void append_data_section(std::vector<std::byte>& target, std::span<const std::byte> data) {
    StreamWriter writer(target);
    writer.section_begin(SectionType::part, 1, "gpu0", 0);
    writer.data_begin(data.size());
    append(target, data);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(1);
}

std::vector<std::byte> short_stream() {
    auto bytes = opening();
    append_data_section(bytes, pattern(23));
    StreamWriter writer(bytes);
    writer.eof();
    writer.vmdescription("{}");
    return bytes;
}

const char* const kShortStory =
    "header, configuration none, command 2, begin gpu0, mark, mark, end, begin gpu0, data 23, "
    "mark, end, eof, description 2";

std::string words_of(const StreamEvent& event) {
    struct Words {
        std::string operator()(const StreamHeader&) { return "header"; }
        std::string operator()(const Configuration& c) {
            return "configuration " + std::string(c.machine);
        }
        std::string operator()(const Command& c) { return "command " + std::to_string(c.id); }
        std::string operator()(const SectionBegin& s) { return "begin " + std::string(s.idstr); }
        std::string operator()(const DeviceMarkSeen&) { return "mark"; }
        std::string operator()(const InitDataBelow& i) { return "below " + std::to_string(i.idx); }
        std::string operator()(const DeviceData& d) { return "data " + std::to_string(d.bytes); }
        std::string operator()(const ConfigState& c) {
            return "config " + std::to_string(c.bytes.size());
        }
        std::string operator()(const SizedConfig& c) { return "sized " + std::to_string(c.bytes); }
        std::string operator()(const SectionEnd&) { return "end"; }
        std::string operator()(const StreamEof&) { return "eof"; }
        std::string operator()(const VmDescription& d) {
            return "description " + std::to_string(d.bytes);
        }
        std::string operator()(const RamRecord&) { return "ram"; }
        std::string operator()(const ForeignSection&) { return "foreign"; }
    };
    return std::visit(Words(), event);
}

/// Everything up to the end of the connection, with the raw bytes; `end` is how it ended.
struct Story {
    std::string words;
    std::vector<std::byte> data;
    ErrorCode end;
};

Story read_story(MainChannelReader& reader) {
    Story story;
    for (;;) {
        const auto event = reader.next(patience());
        if (!event) {
            story.end = event.error();
            return story;
        }
        story.words += (story.words.empty() ? "" : ", ") + words_of(*event);
        Result<> raw;
        if (const auto* data = std::get_if<DeviceData>(&*event)) {
            const auto before = story.data.size();
            story.data.resize(before + static_cast<std::size_t>(data->bytes));
            raw = reader.read_raw(std::span(story.data).subspan(before));
        } else if (const auto* description = std::get_if<VmDescription>(&*event)) {
            raw = reader.skip_raw(description->bytes);
        }
        if (!raw) {
            story.end = raw.error();
            return story;
        }
    }
}

}  // namespace

TEST_CASE("the stream reads the same in pieces of every size", "[engine]") {
    const auto stream = short_stream();
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
        CAPTURE(piece);
        Reading reading;
        auto writing = std::async(std::launch::async, [&] {
            const bool written = write_in_pieces(reading.pair.theirs, stream, piece);
            reading.pair.theirs.half_close();
            return written;
        });
        const auto story = read_story(reading.reader);
        CHECK(writing.get());
        REQUIRE(story.words == kShortStory);
        REQUIRE(story.data == pattern(23));
        REQUIRE(story.end == Errc::peer_closed);
        REQUIRE(reading.reader.bytes_read() == stream.size());
    }
}

TEST_CASE("a connection that ends inside a record is truncated, between two it is closed",
          "[engine]") {
    const auto stream = short_stream();
    std::string boundaries;
    for (std::size_t size = 0; size <= stream.size(); ++size) {
        CAPTURE(size);
        Reading reading;
        REQUIRE(write_all(reading.pair.theirs, std::span(stream).first(size)));
        reading.pair.theirs.half_close();
        const auto story = read_story(reading.reader);
        REQUIRE((story.end == Errc::peer_closed || story.end == Errc::stream_truncated));
        if (story.end == Errc::peer_closed) boundaries += std::to_string(size) + " ";
    }
    std::vector<std::byte> head;
    StreamWriter writer(head);
    writer.header();
    writer.configuration("none");
    const auto configured = head.size();
    const auto pinged = configured + 9;
    const auto started = opening().size();
    auto with_part = opening();
    append_data_section(with_part, pattern(23));
    const auto parted = with_part.size();
    std::string expected;
    for (const auto size : {configured, pinged, started, parted, parted + 1, stream.size()}) {
        expected += std::to_string(size) + " ";
    }
    CHECK(boundaries == expected);
}

TEST_CASE("raw data larger than the reader's buffer goes straight to its target", "[engine]") {
    const auto data = pattern(700'000);
    auto stream = opening();
    append_data_section(stream, data);
    append_data_section(stream, std::span(data).first(1));
    Reading reading;
    auto writing = std::async(std::launch::async, [&] {
        const bool written = write_all(reading.pair.theirs, stream);
        reading.pair.theirs.half_close();
        return written;
    });
    const auto story = read_story(reading.reader);
    CHECK(writing.get());
    REQUIRE(story.data.size() == data.size() + 1);
    CHECK(std::equal(data.begin(), data.end(), story.data.begin()));
    CHECK(story.data.back() == data.front());
    CHECK(story.end == Errc::peer_closed);
}

TEST_CASE("a config state of QEMU's form is seen whole, up to its limit", "[engine]") {
    const auto size = GENERATE(std::size_t{0}, std::size_t{200'000}, std::size_t{1} << 20U);
    CAPTURE(size);
    auto stream = opening();
    StreamWriter writer(stream);
    writer.section_begin(SectionType::full, 1, "gpu0", 0);
    writer.config(pattern(size));
    writer.section_end(1);
    Reading reading;
    auto writing = std::async(std::launch::async, [&] {
        const bool written = write_all(reading.pair.theirs, stream);
        reading.pair.theirs.half_close();
        return written;
    });
    const auto story = read_story(reading.reader);
    CHECK(writing.get());
    CHECK_THAT(story.words, Catch::EndsWith("config " + std::to_string(size) + ", end"));
    CHECK(story.end == Errc::peer_closed);
}

TEST_CASE("what is no stream is refused", "[engine]") {
    Reading reading;
    REQUIRE(write_all(reading.pair.theirs, pattern(1000)));
    CHECK(read_story(reading.reader).end == Errc::stream_magic_wrong);
}

TEST_CASE("a deadline ends one wait, and the next goes on where it stood", "[engine]") {
    const auto stream = short_stream();
    for (const std::size_t cut : {std::size_t{3}, opening().size() - 2, stream.size() - 1}) {
        CAPTURE(cut);
        Reading reading;
        REQUIRE(write_all(reading.pair.theirs, std::span(stream).first(cut)));
        std::string words;
        ErrorCode end;
        while (!end) {
            const auto event = reading.reader.next(Clock::now() + 20ms);
            if (!event) {
                end = event.error();
                break;
            }
            words += (words.empty() ? "" : ", ") + words_of(*event);
            const auto* data = std::get_if<DeviceData>(&*event);
            if (data != nullptr) REQUIRE(reading.reader.skip_raw(data->bytes));
            if (std::holds_alternative<VmDescription>(*event)) break;
        }
        if (end) REQUIRE(end == Errc::phase_timeout);
        REQUIRE(write_all(reading.pair.theirs, std::span(stream).subspan(cut)));
        reading.pair.theirs.half_close();
        if (!end) REQUIRE(reading.reader.skip_raw(2));
        const auto story = read_story(reading.reader);
        CHECK(words + (words.empty() || story.words.empty() ? "" : ", ") + story.words ==
              kShortStory);
        CHECK(story.end == Errc::peer_closed);
    }
}

TEST_CASE("an interrupt ends every wait", "[engine]") {
    Reading reading;
    SECTION("for a record") {
        auto waiting = std::async(std::launch::async, [&] { return reading.reader.next(); });
        reading.interrupt.raise();
        REQUIRE(waiting.wait_for(kPatience) == std::future_status::ready);
        CHECK(waiting.get().error() == Errc::cancelled);
    }
    SECTION("for raw data") {
        std::vector<std::byte> target(10);
        auto waiting =
            std::async(std::launch::async, [&] { return reading.reader.read_raw(target); });
        reading.interrupt.raise();
        REQUIRE(waiting.wait_for(kPatience) == std::future_status::ready);
        CHECK(waiting.get().error() == Errc::cancelled);
    }
}

TEST_CASE("raw data that stops coming is a truncated stream", "[engine]") {
    Reading reading;
    REQUIRE(write_all(reading.pair.theirs, pattern(9)));
    reading.pair.theirs.half_close();
    std::vector<std::byte> target(10);
    SECTION("read") {
        CHECK(reading.reader.read_raw(target).error() == Errc::stream_truncated);
    }
    SECTION("skipped") {
        CHECK(reading.reader.skip_raw(10).error() == Errc::stream_truncated);
    }
}

}  // namespace multifd
