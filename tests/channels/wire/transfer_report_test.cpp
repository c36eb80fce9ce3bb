// What the destination tells of its transfer.
#include "channels/wire/transfer_report.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "channels/wire/assert.hpp"
#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

constexpr TransferReport kReport{.us = 1000,
                                 .user_us = 200,
                                 .system_us = 300,
                                 .processors = 8,
                                 .peak_queued_bytes = 4096,
                                 .channel_cpu_us = 150,
                                 .receive_us = 400,
                                 .reorder_wait_us = 50,
                                 .write_us = 600,
                                 .config_us = 7,
                                 .validate_us = 90};

/// The text of kReport with `part` in the place of `replaced`.
std::string text_with(std::string_view replaced, std::string_view part) {
    const auto wire = encode(kReport);
    std::string text(text_of(wire));
    const auto at = text.find(replaced);
    REQUIRE(at != std::string::npos);
    return text.replace(at, replaced.size(), part);
}

}  // namespace

TEST_CASE("a transfer report is read as it was written", "[wire]") {
    CHECK(decode_transfer_report(encode(kReport)).value() == kReport);
    CHECK(decode_transfer_report(encode(TransferReport{})).value() == TransferReport{});
}

TEST_CASE("a transfer report of numbers over their limits tells the limits", "[wire]") {
    const TransferReport larger{kMost, kMost, kMost, kMost, kMost, kMost,
                                kMost, kMost, kMost, kMost, kMost};
    const auto wire = encode(larger);
    CHECK(wire.size() <= kTransferReportBytesMax);
    const auto us = kReportedUsMax;
    CHECK(decode_transfer_report(wire).value() ==
          TransferReport{us, us, us, 65536, 1ULL << 60U, us, us, us, us, us, us});
}

TEST_CASE("a newer destination may tell more", "[wire]") {
    const auto text = text_with(R"("us":1000)", R"("us":1000,"later":[{"a":"b"}])");
    CHECK(decode_transfer_report(bytes_of(text)).value() == kReport);
}

TEST_CASE("a transfer report that breaks one rule is malformed", "[wire]") {
    struct Case {
        const char* name;
        const char* replaced;
        const char* part;
    };
    const auto broken = GENERATE(values<Case>({
        {"no JSON", "{", ""},
        {"something behind it", "}", "}}"},
        {"an array", "{", "[{"},
        {"a key that is missing", "\"us\":1000", "\"ms\":1000"},
        {"the last key missing", "\"write-us\":600", "\"write\":600"},
        {"below zero", "\"write-us\":600", "\"write-us\":-1"},
        {"a fraction", "\"write-us\":600", "\"write-us\":600.5"},
        {"a text", "\"write-us\":600", "\"write-us\":\"600\""},
        {"nothing", "\"write-us\":600", "\"write-us\":null"},
        {"over 64 bits", "\"write-us\":600", "\"write-us\":18446744073709551616"},
        {"over 1000 days", "\"write-us\":600", "\"write-us\":86400000000001"},
        {"the process's time", "\"system-us\":300", "\"system-us\":18446744073709551615"},
        {"too many bytes", "\"peak-queued-bytes\":4096",
         "\"peak-queued-bytes\":1152921504606846977"},
        {"too many processors", "\"processors\":8", "\"processors\":65537"},
        {"no processor", "\"processors\":8", "\"processors\":0"},
        {"too deep", "\"us\":1000", "\"us\":1000,\"later\":[[[[]]]]"},
    }));
    INFO(broken.name);
    const auto text = text_with(broken.replaced, broken.part);
    CHECK(outcome(decode_transfer_report(bytes_of(text))) == "message_malformed");
}

TEST_CASE("a transfer report over its limit is malformed, whatever it says", "[wire]") {
    auto wire = encode(kReport);
    wire.resize(kTransferReportBytesMax, std::byte{' '});
    CHECK(decode_transfer_report(wire).value() == kReport);
    wire.push_back(std::byte{' '});
    CHECK(outcome(decode_transfer_report(wire)) == "message_malformed");
    CHECK(outcome(decode_transfer_report({})) == "message_malformed");
}

TEST_CASE("a transfer report without a processor is a fault of ours", "[wire]") {
    CHECK_THROWS_AS(encode(TransferReport{.processors = 0}), InternalError);
}
