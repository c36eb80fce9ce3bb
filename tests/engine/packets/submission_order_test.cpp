// Who begins its next packet, and that nobody is forgotten.
#include "engine/packets/submission_order.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <span>
#include <vector>

namespace multifd {
namespace {

using Sizes = std::vector<std::uint64_t>;

constexpr DeviceId kBig{0}, kSmall{1}, kOther{2};

/// Everybody comes again at once, and one place is given back for each packet: who began one.
std::vector<DeviceId> sequence(SubmissionOrder& order, std::size_t packets) {
    std::vector<DeviceId> went;
    const auto begin = [&](DeviceId device) {
        while (order.begin(device)) went.push_back(device);
    };
    for (const auto device : {kBig, kSmall, kOther}) begin(device);
    while (went.size() < packets) {
        order.leave();
        while (const auto device = order.next()) {
            went.push_back(*device);
            begin(*device);
        }
    }
    went.resize(packets);
    return went;
}

std::ptrdiff_t count(std::span<const DeviceId> went, DeviceId device) {
    return std::ranges::count(went, device);
}

}  // namespace

TEST_CASE("an order by size is for known sizes of which one is clearly above the others",
          "[engine]") {
    struct Case {
        const char* name;
        Sizes sizes;
        bool worthwhile;
    };
    const auto shape = GENERATE(values<Case>({{"no device", {}, false},
                                              {"one device", {100}, false},
                                              {"equal ones", {100, 100, 100}, false},
                                              {"nearly equal ones", {120, 100, 100}, false},
                                              {"one small one", {100, 100, 100, 100, 1}, false},
                                              {"one of double size", {200, 100}, true},
                                              {"one large one", {800, 100, 100}, true},
                                              {"one not known", {800, 100, 0}, false},
                                              {"the largest number", {~0ULL, ~0ULL, 1}, true}}));
    CAPTURE(shape.name);
    CHECK(is_order_worthwhile(shape.sizes) == shape.worthwhile);
}

TEST_CASE("devices advance in proportion to their size, and so end together", "[engine]") {
    SubmissionOrder order(Sizes{600, 200, 200}, {.places = 4, .reserve = 2});
    const auto went = sequence(order, 1000);
    // Half way, all are half way: within the packets that go by arrival.
    const auto half = std::span(went).first(500);
    CHECK(count(half, kBig) == Approx(300).margin(20));
    CHECK(count(half, kSmall) == Approx(100).margin(10));
    CHECK(count(went, kBig) == Approx(600).margin(20));
}

TEST_CASE("the last places are kept for the device that is furthest behind", "[engine]") {
    SubmissionOrder order(Sizes{100, 100, 10}, {.places = 4, .reserve = 2});
    REQUIRE(order.begin(kOther));  // A tenth of its state: from here on the others come first.
    CHECK_FALSE(order.begin(kOther));
    CHECK(order.next() == kOther);  // Three were free.
    CHECK_FALSE(order.begin(kOther));
    CHECK_FALSE(order.next());
    CHECK(order.begin(kSmall));
    CHECK(order.begin(kBig));
    CHECK_FALSE(order.begin(kSmall));  // None is free.
    order.leave();
    CHECK(order.next() == kSmall);
    order.leave();
    order.leave();
    CHECK_FALSE(order.next());
    SECTION("until more places are free") {
        order.leave();
        CHECK(order.next() == kOther);
    }
    SECTION("until those before it have ended") {
        order.end(kBig);
        CHECK_FALSE(order.next());
        order.end(kSmall);
        CHECK(order.next() == kOther);
    }
    CHECK(order.waiting() == 0);
}

TEST_CASE("who had to wait is let in for a refill, who comes to a free place at once", "[engine]") {
    SubmissionOrder order(Sizes{100}, {.places = 4, .refill = 3});
    for (int i = 0; i < 4; ++i) REQUIRE(order.begin(kBig));
    CHECK_FALSE(order.begin(kBig));
    order.leave();
    order.leave();
    CHECK_FALSE(order.next());
    order.leave();
    CHECK(order.next() == kBig);
    CHECK(order.begin(kBig));
    CHECK(order.begin(kBig));
}

TEST_CASE("equals and those past their estimate go in the order they came", "[engine]") {
    const std::uint64_t expected = GENERATE(1U, 5U, 1000U);
    CAPTURE(expected);
    SubmissionOrder order(Sizes(3, expected), {.places = 1, .packet_bytes = 10});
    REQUIRE(order.begin(kOther));
    for (const auto device : {kSmall, kBig}) CHECK_FALSE(order.begin(device));
    order.leave();
    CHECK(order.next() == kSmall);
    order.leave();
    CHECK(order.next() == kBig);
}

TEST_CASE("a device that has passed its estimate comes before one that is nearly done",
          "[engine]") {
    SubmissionOrder order(Sizes{1, 100, 100}, {.places = 1});
    REQUIRE(order.begin(kBig));
    order.leave();
    for (const auto device : {kSmall, kOther}) {
        const int packets = device == kSmall ? 95 : 85;
        for (int i = 0; i < packets; ++i) {
            if (!order.begin(device)) REQUIRE(order.next() == device);
            order.leave();
        }
    }
    REQUIRE(order.waiting() == 0);
    REQUIRE(order.begin(kOther));
    for (const auto device : {kSmall, kBig, kOther}) CHECK_FALSE(order.begin(device));
    for (const auto device : {kOther, kBig, kSmall}) {
        order.leave();
        CHECK(order.next() == device);
    }
}

TEST_CASE("a wrong estimate starves nobody", "[engine]") {
    SubmissionOrder order(Sizes{~std::uint64_t{0}, 1, 1}, {.places = 4, .reserve = 2});
    const auto turns = static_cast<std::ptrdiff_t>(SubmissionOrder::kTurns);
    const auto went = sequence(order, 100 * SubmissionOrder::kTurns);
    CHECK(count(went, kSmall) >= 100 / 3);
    CHECK(count(went, kOther) >= 100 / 3);
    CHECK(count(went, kBig) >= 90 * turns);
}

}  // namespace multifd
