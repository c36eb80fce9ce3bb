// Several devices before a link that has no room for all: who gets how much of it.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/engine/sessions/session_pair.hpp"

namespace multifd {
namespace {

constexpr std::uint64_t kPacket = 64 * 1024;
constexpr std::size_t kSmall = 40, kLarge = 400;  ///< Packets of state.

/// How many packets of the large device had been read when the small one's last was.
std::ptrdiff_t large_ones_by_then(const Journal& journal) {
    const auto lines = journal.lines();
    const std::string small = "source/small read", large = "source/large read";
    const auto last = std::find(lines.rbegin(), lines.rend(), small);
    return std::count(last, lines.rend(), large);
}

/// Each read fills a packet.
ScriptedDevice::Script of_packets(std::size_t packets) {
    ScriptedDevice::Script script;
    script.state = pattern(packets * kPacket);
    return script;
}

}  // namespace

TEST_CASE(
    "a large device gets its part of a narrow link from the beginning, unless all shall be "
    "served as they come",
    "[session]") {
    const auto order = GENERATE(SubmissionPolicy::behind, SubmissionPolicy::arrival);
    SessionPair pair;
    pair.source_settings.packet_size = kPacket;
    pair.source_settings.multifd_channels = 2;
    pair.source_settings.submission_order = order;
    pair.source_settings.max_switchover_bandwidth = 64U << 20U;
    pair.add_device("small", of_packets(kSmall));
    pair.add_device("large", of_packets(kLarge));
    REQUIRE(pair.run().source.status == Status::completed);
    const auto read = large_ones_by_then(pair.journal);
    if (order == SubmissionPolicy::behind) {
        CHECK(read > static_cast<std::ptrdiff_t>(kLarge / 2));
    } else {
        CHECK(read < static_cast<std::ptrdiff_t>(kLarge / 3));
    }
}

}  // namespace multifd
