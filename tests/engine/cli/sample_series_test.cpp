#include "engine/cli/sample_series.hpp"

#include <catch2/catch.hpp>

#include "tests/engine/cli/schema.hpp"
#include "tests/support/report_reader.hpp"

namespace multifd {
namespace {

using std::chrono::microseconds;

Statistics statistics(std::uint64_t bytes) {
    Statistics numbers;
    numbers.status = Status::device;
    numbers.session = "0123456789abcdef0123456789abcdef";
    numbers.transferred = bytes;
    DeviceReport device;
    device.idstr = "gpu0";
    device.bytes = bytes;
    device.pre_copy_bytes = 1;
    numbers.devices = {device};
    numbers.channels = {{0, 1, bytes / 2, 0}, {1, 1, bytes / 2, 0}};
    return numbers;
}

}  // namespace

TEST_CASE("a series that is full keeps every other sample and doubles its interval", "[cli]") {
    SampleSeries series(4, microseconds(10));
    for (std::uint64_t i = 0; i < 5; ++i) series.add(statistics(i), 10 * i);
    CHECK(series.interval() == microseconds(20));
    REQUIRE(series.samples().size() == 3);
    CHECK(series.samples()[0].at_us == 0);
    CHECK(series.samples()[1].at_us == 20);
    CHECK(series.samples()[2].at_us == 40);
    for (std::uint64_t i = 5; i < 1000; ++i) {
        series.add(statistics(i), 10 * i);
        REQUIRE(series.samples().size() <= 4);
    }
}

TEST_CASE("nothing is sampled before there is a migration", "[cli]") {
    SampleSeries series(4, microseconds(10));
    Statistics waiting = statistics(0);
    waiting.status = Status::none;
    series.add(waiting, 5);
    CHECK(series.samples().empty());
    CHECK(schema_faults("multifd-samples.schema.json", series.json()).empty());
}

TEST_CASE("samples are written by their schema, from zero on", "[cli]") {
    SampleSeries series(4, microseconds(10));
    series.add(statistics(100), 1000);
    series.add(statistics(200), 1500);
    CHECK(schema_faults("multifd-samples.schema.json", series.json()).empty());
    const auto json = JsonReport::parse(series.json());
    REQUIRE(json);
    CHECK(json->number("samples.0.at-us") == 0);
    CHECK(json->number("samples.1.at-us") == 500);
    CHECK(json->number("samples.1.devices.0") == 201);
    CHECK(json->number("samples.1.channels.1") == 100);
    CHECK(json->text("devices.0") == "gpu0");
}

}  // namespace multifd
