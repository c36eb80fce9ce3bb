#include "engine/cli/tune/run_record.hpp"

#include <catch2/catch.hpp>

#include "engine/cli/tune/figures.hpp"

namespace multifd::tuning {
namespace {

constexpr const char* kSource = R"({"status":"completed","transferred":1000000,"total-time":12,
 "cpu-us":3000,"error":null,
 "downtime-parts":{"stop":10,"state":600,"read":200,"queue":300,"config":5,"send":500,
                   "load":400,"verify":20,"commit":70},
 "channels":[{"id":0,"packets":1,"bytes":600000,"cpu-us":90},
             {"id":1,"packets":1,"bytes":401000,"cpu-us":110}]})";
constexpr const char* kDestination = R"({"status":"completed"})";

/// The source's report with what a destination has told it.
std::string source_told() {
    std::string source = kSource;
    return source.insert(1, R"("destination":{"transfer":{"us":950,"user-us":1200,"system-us":800},
 "processors":8,"queued-bytes-max":65536,"peak-queued-bytes":4096,"channel-cpu-us":120,
 "downtime-parts":{"receive":450,"reorder-wait":50,"write":150,"config":3,"validate":100}},)");
}

}  // namespace

TEST_CASE("a run's figures are those of both ends", "[tune]") {
    const RunRecord run = read_run({3, 1}, {source_told(), kDestination, 0, ""});
    REQUIRE(run.figures);
    CHECK_FALSE(run.failure);
    const Figures& figures = *run.figures;
    CHECK(figures.get(Figure::downtime) == 1100.0);
    CHECK(figures.get(Figure::load) == 300.0);
    CHECK(figures.get(Figure::validate) == 100.0);
    CHECK(figures.get(Figure::transfer) == 900.0);
    CHECK(*figures.get(Figure::rate) == Approx(1e6 / 900e-6));
    CHECK(*figures.get(Figure::cpu_per_gigabyte) == Approx(5000e-6 / 1e-3));
    CHECK(figures.get(Figure::sender_cpu) == 110.0);
    CHECK(figures.get(Figure::receiver_cpu) == 120.0);
    CHECK(figures.get(Figure::write) == 150.0);
    CHECK(figures.get(Figure::reorder_wait) == 50.0);
    CHECK(figures.get(Figure::destination_cpu) == 2000.0);
    CHECK(figures.get(Figure::destination_transfer) == 950.0);
    CHECK(figures.get(Figure::destination_cores) == 8.0);
    CHECK(figures.get(Figure::peak_queued_bytes) == 4096.0);
    CHECK(figures.get(Figure::queued_bytes_max) == 65536.0);
    CHECK(figures.get(Figure::wire_bytes) == 1001000.0);
    CHECK(figures.get(Figure::total) == 12000.0);
    CHECK(run.destination == "completed");
}

TEST_CASE("processor time is that of the transfer when the reports say it", "[tune]") {
    std::string source = kSource;
    source.insert(1, R"("transfer":{"us":1,"user-us":30,"system-us":12},)");
    const RunRecord run = read_run({0, 1}, {source, kDestination, 0, ""});
    REQUIRE(run.figures);
    CHECK(run.figures->get(Figure::source_cpu) == 42.0);
}

TEST_CASE("what a destination elsewhere tells is in the run's figures", "[tune]") {
    const RunRecord run = read_run({0, 1}, {source_told(), "", 0, ""});
    REQUIRE(run.figures);
    CHECK(run.figures->get(Figure::write) == 150.0);
    CHECK(run.destination.empty());
}

TEST_CASE("the figures of a destination that tells nothing are missing, not zero", "[tune]") {
    std::string source = kSource;
    SECTION("an older one") {}
    SECTION("null") {
        source.insert(1, R"("destination":null,)");
    }
    SECTION("no object") {
        source.insert(1, R"("destination":[7],)");
    }
    const RunRecord run = read_run({0, 1}, {source, kDestination, 0, ""});
    REQUIRE(run.figures);
    CHECK(run.figures->get(Figure::load) == 400.0);
    for (const Figure figure :
         {Figure::write, Figure::receive, Figure::destination_cpu, Figure::destination_cores,
          Figure::receiver_cpu, Figure::validate, Figure::peak_queued_bytes}) {
        CHECK_FALSE(run.figures->get(figure));
    }
    CHECK(*run.figures->get(Figure::cpu_per_gigabyte) == Approx(3000e-6 / 1e-3));
}

TEST_CASE("a failed run has the source's error, or the destination's", "[tune]") {
    const std::string failed =
        R"({"status":"failed","error":{"code":"device_failed","message":"no"}})";
    RunRecord run = read_run({0, 1}, {failed, "", 5, ""});
    REQUIRE(run.failure);
    CHECK(run.failure->code == "device_failed");
    CHECK(run.failure->message == "no");
    CHECK(run.failure->exit_code == 5);
    run = read_run({0, 1}, {"", failed, 137, ""});
    REQUIRE(run.failure);
    CHECK(run.failure->code == "device_failed");
}

TEST_CASE("a source that left nothing is a failed run with what it said", "[tune]") {
    for (const char* report : {"", "{", "[]", "null", R"({"status":7,"error":[]})"}) {
        CAPTURE(report);
        const RunRecord run = read_run({0, 1}, {report, "", 137, "killed"});
        REQUIRE(run.failure);
        CHECK(run.failure->code == "no_report");
        CHECK(run.failure->message.find("137: killed") != std::string::npos);
    }
}

TEST_CASE("a report that contradicts its exit code is not believed", "[tune]") {
    CHECK(read_run({0, 1}, {kSource, kDestination, 13, ""}).failure);
}

TEST_CASE("every figure has a name of its own", "[tune]") {
    for (std::size_t one = 0; one < kFigures; ++one) {
        for (std::size_t other = 0; other < one; ++other) {
            CHECK(name_of(static_cast<Figure>(one)) != name_of(static_cast<Figure>(other)));
        }
    }
    CHECK(name_of(Figure::write) == "write-us");
    CHECK(name_of(Figure::reorder_wait) == "reorder-wait-us");
}

TEST_CASE("medians are over the runs that have the figure", "[tune]") {
    Figures one;
    Figures two;
    one.set(Figure::write, 1);
    two.set(Figure::write, 3);
    two.set(Figure::read, 5);
    const Figures median = medians({one, two});
    CHECK(median.get(Figure::write) == 2.0);
    CHECK(median.get(Figure::read) == 5.0);
    CHECK_FALSE(median.get(Figure::send));
}

}  // namespace multifd::tuning
