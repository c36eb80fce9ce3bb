// What leaves on the main channel, and whether a command may follow it.
#include "engine/main_channel/main_channel_writer.hpp"

#include <catch2/catch.hpp>
#include <future>

#include "tests/engine/sessions/scripted_device.hpp"
#include "tests/support/connection_pair.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

struct Writing {
    ConnectionPair pair;
    Interrupt interrupt;
    MainChannelWriter writer{pair.ours, interrupt};
};

std::vector<std::byte> bytes_of_ping(std::uint32_t value) {
    std::vector<std::byte> bytes;
    StreamWriter(bytes).ping(value);
    return bytes;
}

/// More than a socket whose buffer is small takes when nobody reads.
std::vector<std::byte> too_much() {
    return pattern(4U << 20U);
}

}  // namespace

TEST_CASE("records leave when they are flushed, once and in order", "[engine]") {
    Writing writing;
    auto& writer = writing.writer;
    writer.records().ping(1);
    CHECK(read_available(writing.pair.theirs).empty());
    CHECK(writer.bytes_sent() == 0);
    REQUIRE_FALSE(writer.flush());
    CHECK(read_available(writing.pair.theirs) == bytes_of_ping(1));
    writer.records().ping(2);
    writer.records().ping(3);
    REQUIRE_FALSE(writer.flush());
    REQUIRE_FALSE(writer.flush());
    auto expected = bytes_of_ping(2);
    const auto third = bytes_of_ping(3);
    expected.insert(expected.end(), third.begin(), third.end());
    CHECK(read_available(writing.pair.theirs) == expected);
    CHECK(writer.bytes_sent() == 3 * third.size());
    CHECK(writer.between_records());
}

TEST_CASE("raw data follows the records before it, whatever its size", "[engine]") {
    Writing writing;
    const auto raw = pattern((1U << 20U) + 3);
    auto reading = std::async(std::launch::async, [&] { return read_all(writing.pair.theirs); });
    writing.writer.records().ping(1);
    REQUIRE_FALSE(writing.writer.flush_with(raw));
    REQUIRE_FALSE(writing.writer.flush_with({}));
    writing.writer.records().ping(2);
    REQUIRE_FALSE(writing.writer.flush());
    writing.pair.ours.half_close();
    auto expected = bytes_of_ping(1);
    expected.insert(expected.end(), raw.begin(), raw.end());
    const auto last = bytes_of_ping(2);
    expected.insert(expected.end(), last.begin(), last.end());
    CHECK(reading.get() == expected);
    CHECK(writing.writer.bytes_sent() == expected.size());
    CHECK(writing.writer.between_records());
}

TEST_CASE("inside a section no command may follow", "[engine]") {
    Writing writing;
    CHECK(writing.writer.between_records());
    writing.writer.section_begins();
    CHECK_FALSE(writing.writer.between_records());
    writing.writer.records().ping(1);
    REQUIRE_FALSE(writing.writer.flush());
    CHECK_FALSE(writing.writer.between_records());
    writing.writer.section_ends();
    CHECK(writing.writer.between_records());
}

TEST_CASE("a send that was torn leaves no place for a command, ever", "[engine]") {
    Writing writing;
    shrink_send_buffer(writing.pair.ours);
    const auto raw = too_much();
    ErrorCode error;
    SECTION("by the deadline, in a record") {
        writing.writer.records().command(kCommandHello, std::span(raw).first(65535));
        for (int i = 0; i < 64; ++i) {
            writing.writer.records().command(kCommandHello, std::span(raw).first(65535));
        }
        error = writing.writer.flush(Clock::now() + 50ms);
        CHECK(error == Errc::phase_timeout);
    }
    SECTION("by the interrupt, in raw data") {
        auto sending =
            std::async(std::launch::async, [&] { return writing.writer.flush_with(raw); });
        REQUIRE(await([&] { return !read_available(writing.pair.theirs).empty(); }));
        writing.interrupt.raise();
        REQUIRE(sending.wait_for(kPatience) == std::future_status::ready);
        error = sending.get();
        CHECK(error == Errc::cancelled);
    }
    CHECK(writing.writer.bytes_sent() > 0);
    CHECK(writing.writer.bytes_sent() < raw.size());
    CHECK_FALSE(writing.writer.between_records());
    writing.writer.section_begins();
    writing.writer.section_ends();
    CHECK_FALSE(writing.writer.between_records());
}

TEST_CASE("what was interrupted before its first byte is not torn, and a last word may follow",
          "[engine]") {
    Writing writing;
    writing.interrupt.raise();
    writing.writer.records().ping(1);
    CHECK(writing.writer.flush() == Errc::cancelled);
    CHECK(writing.writer.between_records());
    writing.writer.records().ping(2);
    REQUIRE_FALSE(writing.writer.flush_regardless(patience()));
    writing.pair.ours.half_close();
    CHECK(read_all(writing.pair.theirs) == bytes_of_ping(2));
}

TEST_CASE("a last word waits no longer than its deadline", "[engine]") {
    Writing writing;
    shrink_send_buffer(writing.pair.ours);
    const auto raw = too_much();
    for (int i = 0; i < 64; ++i) {
        writing.writer.records().command(kCommandAbort, std::span(raw).first(65535));
    }
    CHECK(writing.writer.flush_regardless(Clock::now() + 50ms) == Errc::phase_timeout);
}

TEST_CASE("a peer that is gone is the system's error", "[engine]") {
    Writing writing;
    writing.pair.theirs = Connection();
    writing.writer.records().ping(1);
    const auto error = writing.writer.flush();
    REQUIRE(error);
    CHECK(error.category() == boost::system::system_category());
}

}  // namespace multifd
