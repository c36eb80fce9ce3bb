// What decides the downtime, from rates and sizes alone.
#include "engine/source/downtime_prediction.hpp"

#include <catch2/catch.hpp>

namespace multifd {
namespace {

using namespace std::chrono_literals;

constexpr double kMega = 1'000'000;

SwitchoverOutlook outlook_of(std::vector<DeviceOutlook> devices, double link) {
    SwitchoverOutlook outlook;
    outlook.devices = std::move(devices);
    outlook.link_bytes_per_second = link;
    return outlook;
}

}  // namespace

TEST_CASE("the link decides when all together have more than it takes", "[engine]") {
    const auto prediction =
        predict(outlook_of({{400'000, 10 * kMega, true}, {600'000, 10 * kMega, true}}, kMega));
    CHECK(prediction.link == 1s);
    CHECK(prediction.device == 60ms);
    CHECK(prediction.total == 1s);
    CHECK(prediction.bytes == 1'000'000);
    CHECK(prediction.complete);
}

TEST_CASE("the slowest device decides when the link has room", "[engine]") {
    const auto prediction =
        predict(outlook_of({{400'000, kMega, true}, {600'000, 10 * kMega, true}}, 100 * kMega));
    CHECK(prediction.device == 400ms);
    CHECK(prediction.total == 400ms);
}

TEST_CASE("what goes down the main channel goes one after the other", "[engine]") {
    auto outlook = outlook_of({{100'000, kMega, false}, {200'000, kMega, false}}, 100 * kMega);
    outlook.host_bytes = 10 * 1'000'000;
    const auto prediction = predict(outlook);
    CHECK(prediction.main_channel == 400ms);
    CHECK(prediction.device == 0us);
    CHECK(prediction.total == 400ms);
}

TEST_CASE("round trips and records come on top", "[engine]") {
    auto outlook = outlook_of({{100'000, kMega, true}}, kMega);
    outlook.round_trip = 30ms;
    outlook.record = 5ms;
    const auto prediction = predict(outlook);
    CHECK(prediction.round_trips == 60ms);
    CHECK(prediction.records == 15ms);
    CHECK(prediction.total == 175ms);
}

TEST_CASE("what was not measured makes the prediction a lower bound, and nothing worse",
          "[engine]") {
    struct Case {
        const char* name;
        SwitchoverOutlook outlook;
        bool complete;
        std::chrono::microseconds total;
    };
    const auto one = GENERATE(values<Case>({
        {"nothing to send", outlook_of({}, 0), true, 0us},
        {"an empty device needs no rate", outlook_of({{0, 0, true}}, 0), true, 0us},
        {"no rate at all", outlook_of({{500, 0, true}}, 0), false, 0us},
        {"a link alone", outlook_of({{500'000, 0, true}}, kMega), false, 500ms},
        {"a device alone", outlook_of({{500'000, kMega, true}}, 0), false, 500ms},
        {"all", outlook_of({{500'000, kMega, true}}, kMega), true, 500ms},
        {"slower than any clock", outlook_of({{~std::uint64_t{0}, 1, true}}, 1), true, 365 * 24h},
    }));
    INFO(one.name);
    const auto prediction = predict(one.outlook);
    CHECK(prediction.complete == one.complete);
    CHECK(prediction.total == one.total);
}

TEST_CASE("what was sent before needs no more of the switchover's rate, but is still to be loaded",
          "[engine]") {
    auto outlook = outlook_of({{200'000, kMega, true, 300'000}, {0, kMega, true, 0}}, kMega);
    outlook.sent_bytes = 400'000;  // Of one device nothing has been loaded yet, so 100'000 are its.
    outlook.sent_bytes_per_second = 4 * kMega;
    const auto prediction = predict(outlook);
    CHECK(prediction.link == 300ms);
    CHECK(prediction.device == 500ms);
    CHECK(prediction.bytes == 600'000);
    CHECK(prediction.complete);
}

TEST_CASE("a rate that was held makes an upper bound where it decides", "[engine]") {
    struct Case {
        const char* name;
        double device, link;
        bool held;
        std::chrono::microseconds total;
        bool at_most, complete;
    };
    const auto one = GENERATE(values<Case>({
        {"it decides", 10 * kMega, kMega, true, 500ms, true, true},
        {"the device decides", kMega, 10 * kMega, true, 500ms, false, true},
        {"not held", 10 * kMega, kMega, false, 500ms, false, true},
        // The other way round it would be neither.
        {"a lower bound uses no held rate", 0, kMega, true, 0us, false, false},
    }));
    INFO(one.name);
    auto outlook = outlook_of({{500'000, one.device, true}}, one.link);
    outlook.link_held = one.held;
    const auto prediction = predict(outlook);
    CHECK(prediction.total == one.total);
    CHECK(prediction.link_held == one.at_most);
    CHECK(prediction.complete == one.complete);
}

}  // namespace multifd
