// The pacer with a real clock: who waits can be woken, and a wait is no standstill.
#include "engine/packets/send_pacer.hpp"

#include <catch2/catch.hpp>
#include <future>

#include "tests/support/connection_pair.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kWeeks = 1'000'000;  // At a byte per second.

}  // namespace

TEST_CASE("without a rate nothing waits, and an abort is left to others", "[engine]") {
    std::atomic<std::uint64_t> progress = 0;
    SendPacer pacer(progress, 1ms);
    CHECK_FALSE(pacer.limited());
    CHECK(pacer.take(kWeeks));
    CHECK(pacer.take(kWeeks));
    CHECK(progress == 0);
    CHECK(pacer.waited().count() == 0);
}

TEST_CASE("for how long it has held senders back is known", "[engine]") {
    std::atomic<std::uint64_t> progress = 0;
    SendPacer pacer(progress, 1ms);
    pacer.set_rate(100'000);
    for (int i = 0; i < 3; ++i) REQUIRE(pacer.take(2'000));
    CHECK(pacer.waited() >= 30ms);
}

TEST_CASE("a wait for the rate shows as progress, and an abort ends it", "[engine]") {
    std::atomic<std::uint64_t> progress = 0;
    SendPacer pacer(progress, 1ms);
    pacer.set_rate(1);
    CHECK(pacer.limited());
    REQUIRE(pacer.take(kWeeks));
    std::vector<std::future<bool>> waiting;
    for (int i = 0; i < 3; ++i) {
        waiting.push_back(std::async(std::launch::async, [&] { return pacer.take(1); }));
    }
    CHECK(await([&] { return progress >= 10; }));
    pacer.abort();
    pacer.abort();
    for (auto& one : waiting) {
        REQUIRE(one.wait_for(kPatience) == std::future_status::ready);
        CHECK_FALSE(one.get());
    }
    CHECK_FALSE(pacer.take(0));
}

TEST_CASE("a new rate starts afresh", "[engine]") {
    std::atomic<std::uint64_t> progress = 0;
    SendPacer pacer(progress, 1ms);
    pacer.set_rate(1);
    REQUIRE(pacer.take(kWeeks));
    pacer.set_rate(2);
    CHECK(pacer.take(kWeeks));
    pacer.set_rate(0);
    CHECK_FALSE(pacer.limited());
    CHECK(pacer.take(kWeeks));
}

}  // namespace multifd
