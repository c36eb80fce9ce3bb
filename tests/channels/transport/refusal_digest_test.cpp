#include "channels/transport/refusal_digest.hpp"

#include <catch2/catch.hpp>

namespace multifd {
namespace {

using namespace std::chrono_literals;

constexpr auto kStart = Clock::time_point{} + 1h;

}  // namespace

TEST_CASE("the first refusal for a reason is told, those that follow are counted", "[listener]") {
    RefusalDigest digest(1s);
    CHECK(digest.tells(Errc::connection_limit, "a", kStart));
    CHECK(digest.due() == kNoDeadline);
    CHECK_FALSE(digest.tells(Errc::connection_limit, "b", kStart + 1ms));
    CHECK_FALSE(digest.tells(Errc::connection_limit, "c", kStart + 2ms));
    CHECK(digest.tells(Errc::classification_timeout, "d", kStart + 2ms));
    CHECK(digest.due() == kStart + 1s);
    CHECK(digest.take(kStart + 999ms).empty());
    const auto held = digest.take(kStart + 1s);
    REQUIRE(held.size() == 1);
    CHECK(held[0].error == Errc::connection_limit);
    CHECK(held[0].last_peer == "c");
    CHECK(held[0].count == 2);
    CHECK(digest.due() == kNoDeadline);
}

TEST_CASE("a flood is told of once in an interval, and an end of it ends that", "[listener]") {
    RefusalDigest digest(1s);
    std::size_t lines = 0;
    std::uint64_t told = 0;
    for (int ms = 0; ms < 10'000; ++ms) {
        const auto now = kStart + std::chrono::milliseconds(ms);
        if (digest.due() <= now) {
            for (const auto& held : digest.take(now)) {
                ++lines;
                told += held.count;
            }
        }
        if (digest.tells(Errc::connection_limit, "a", now)) {
            ++lines;
            ++told;
        }
    }
    CHECK(lines == 10);
    for (const auto& held : digest.take(kStart + 1min)) told += held.count;
    CHECK(told == 10'000);
    CHECK(digest.tells(Errc::connection_limit, "a", kStart + 1h));
}

TEST_CASE("what is held when the listener ends is told then", "[listener]") {
    RefusalDigest digest(1s);
    for (int count = 0; count < 3; ++count) digest.tells(Errc::session_unknown, "a", kStart);
    const auto held = digest.take(kNoDeadline);
    REQUIRE(held.size() == 1);
    CHECK(held[0].count == 2);
    CHECK(digest.take(kNoDeadline).empty());
}

TEST_CASE("without an interval every refusal is told", "[listener]") {
    RefusalDigest digest(0ms);
    for (int count = 0; count < 3; ++count) CHECK(digest.tells(Errc::session_unknown, "a", kStart));
    CHECK(digest.due() == kNoDeadline);
}

}  // namespace multifd
