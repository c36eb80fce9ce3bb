#include "reassembly/device_order.hpp"

#include <catch2/catch.hpp>
#include <limits>
#include <vector>

#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

/// Shows, claims and receives `idx`.
void bring(DeviceOrder& order, std::uint32_t idx, bool config = false) {
    REQUIRE_FALSE(order.judge(idx, config));
    order.show(idx, config);
    order.claim(idx, {.buffer = idx, .bytes = 10, .config = config});
    order.received(idx, idx * 100);
}

TEST_CASE("packets leave in order, whatever order they came in", "[device_order]") {
    DeviceOrder order(4);
    bring(order, 2);
    bring(order, 1);
    CHECK_FALSE(order.next());
    CHECK(order.held_count() == 2);
    bring(order, 0);
    for (std::uint32_t idx = 0; idx < 3; ++idx) {
        REQUIRE(order.next_idx() == idx);
        REQUIRE(order.next());
        CHECK(order.next()->hash == idx * 100);
        CHECK(order.loaded() == idx);
    }
    CHECK_FALSE(order.next());
    CHECK(order.held_count() == 0);
}

TEST_CASE("a claimed packet is not next before its bytes are there", "[device_order]") {
    DeviceOrder order(4);
    order.show(0, false);
    order.claim(0, {});
    CHECK(order.next_claimed());
    CHECK_FALSE(order.next());
    CHECK_THROWS_AS(order.loaded(), InternalError);
    CHECK(order.received(0, 7));
    CHECK(order.next()->hash == 7);
}

TEST_CASE("received says whether the load thread may wait for it", "[device_order]") {
    DeviceOrder order(4);
    for (std::uint32_t idx = 0; idx < 3; ++idx) {
        order.show(idx, false);
        order.claim(idx, {});
    }
    CHECK_FALSE(order.received(1, 0));
    CHECK(order.received(0, 0));
    order.loaded();
    CHECK(order.next());  // idx 1, of which nobody was told: it is seen after loaded()
    order.loaded();
    CHECK(order.received(2, 0));
}

TEST_CASE("the window moves with what is loaded, round the ring", "[device_order]") {
    DeviceOrder order(3);
    for (std::uint32_t idx = 0; idx < 100; ++idx) {
        CHECK(order.in_window(idx + 2));
        CHECK_FALSE(order.in_window(idx + 3));
        bring(order, idx);
        order.loaded();
        CHECK_FALSE(order.in_window(idx));
    }
    CHECK_FALSE(order.in_window(std::numeric_limits<std::uint32_t>::max()));
}

TEST_CASE("the config state, loaded last, completes the device", "[device_order]") {
    DeviceOrder order(4);
    bring(order, 1, true);
    bring(order, 0);
    order.loaded();
    CHECK_FALSE(order.complete());
    order.loaded();
    CHECK(order.complete());
    std::vector<std::uint32_t> buffers;
    order.check_invariants(buffers);
    CHECK(buffers.empty());
}

TEST_CASE("misuse by the engine is an internal error", "[device_order]") {
    DeviceOrder order(2);
    CHECK_THROWS_AS(order.claim(0, {}), InternalError);  // never shown
    order.show(0, false);
    CHECK_THROWS_AS(order.received(0, 0), InternalError);
    order.claim(0, {});
    CHECK_THROWS_AS(order.claim(0, {}), InternalError);
    order.show(5, false);
    CHECK_THROWS_AS(order.claim(5, {}), InternalError);  // beyond the window
}

}  // namespace
}  // namespace multifd
