#include "engine/cli/tune/bottleneck.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

namespace multifd::tuning {
namespace {

using Change = std::pair<Figure, double>;

/// A second of transfer in which nothing is busy, with a downtime a little longer.
Figures idle(const std::vector<Change>& changes) {
    Figures figures;
    figures.set(Figure::stop, 1000);
    figures.set(Figure::state, 900'000);
    figures.set(Figure::load, 100'000);
    figures.set(Figure::validate, 1000);
    figures.set(Figure::verify, 1000);
    figures.set(Figure::commit, 1000);
    figures.set(Figure::state_bytes, 1e9);
    figures.set(Figure::source_cpu, 200'000);
    figures.set(Figure::destination_cpu, 200'000);
    figures.set(Figure::destination_transfer, 1e6);
    figures.set(Figure::destination_cores, 8);
    figures.set(Figure::queued_bytes_max, 1000);
    figures.set(Figure::write, 100'000);
    figures.set(Figure::receiver_cpu, 100'000);
    figures.set(Figure::reorder_wait, 100'000);
    for (const auto& [figure, value] : changes) figures.set(figure, value);
    derive(figures);
    return figures;
}

constexpr RunContext kHere{.cores = 4, .both_ends_here = true};
constexpr RunContext kElsewhere{.cores = 4, .both_ends_here = false};
;

}  // namespace

TEST_CASE("the bottleneck is named by the measured parts", "[tune]") {
    struct Expected {
        const char* name;
        std::vector<Change> changes;
        Bottleneck expected;
        const char* mentions;
    };
    const std::vector<Expected> cases{
        {"nothing", {}, Bottleneck::unclear, "No single part"},
        {"commit", {{Figure::commit, 1.2e6}}, Bottleneck::fixed_cost, "handing the devices over"},
        {"stop", {{Figure::stop, 1.2e6}}, Bottleneck::fixed_cost, "stopping the devices"},
        {"validation", {{Figure::validate, 1.2e6}}, Bottleneck::validation, "accept"},
        {"processors",
         {{Figure::source_cpu, 2e6}, {Figure::destination_cpu, 1.8e6}},
         Bottleneck::processors,
         "of this host's 4 cores"},
        {"write", {{Figure::write, 800'000}}, Bottleneck::device_write, "write calls for 80%"},
        {"read", {{Figure::read, 710'000}}, Bottleneck::device_read, "read calls for 71%"},
        {"sender", {{Figure::sender_cpu, 800'000}}, Bottleneck::channel_cpu, "at the source"},
        {"receiver",
         {{Figure::receiver_cpu, 800'000}},
         Bottleneck::channel_cpu,
         "at the destination"},
        {"order",
         {{Figure::reorder_wait, 600'000}, {Figure::peak_queued_bytes, 950}},
         Bottleneck::reorder_wait,
         "--max-queued-bytes"},
        {"waiting with memory to spare",
         {{Figure::reorder_wait, 900'000}},
         Bottleneck::unclear,
         "No single part"},
        {"network", {{Figure::send, 950'000}}, Bottleneck::network, "95%"},
    };
    for (const Expected& each : cases) {
        CAPTURE(each.name);
        const Verdict verdict = judge(idle(each.changes), kHere);
        CHECK(name_of(verdict.bottleneck) == name_of(each.expected));
        INFO(verdict.sentence);
        CHECK(verdict.sentence.find(each.mentions) != std::string::npos);
        CHECK(std::ranges::count(verdict.sentence, '\n') == 0);
        CHECK(verdict.sentence.ends_with('.'));
    }
}

TEST_CASE("of several busy parts the first rule names it", "[tune]") {
    // Behind a slow destination every sender waits, and behind full processors every device.
    CHECK(judge(idle({{Figure::write, 900'000}, {Figure::send, 990'000}}), kHere).bottleneck ==
          Bottleneck::device_write);
    CHECK(judge(idle({{Figure::read, 900'000}, {Figure::source_cpu, 4e6}}), kHere).bottleneck ==
          Bottleneck::processors);
    CHECK(judge(idle({{Figure::sender_cpu, 900'000}, {Figure::send, 990'000}}), kHere).bottleneck ==
          Bottleneck::channel_cpu);
}

TEST_CASE("a destination elsewhere that tells nothing is judged by what the source knows",
          "[tune]") {
    Figures figures;
    figures.set(Figure::state, 1e6);
    figures.set(Figure::state_bytes, 1e9);
    figures.set(Figure::send, 9e5);
    figures.set(Figure::source_cpu, 3e5);
    derive(figures);
    const Verdict verdict = judge(figures, kElsewhere);
    CHECK(verdict.bottleneck == Bottleneck::network);
    CHECK(std::ranges::none_of(verdict.shares, [](const Share& share) {
        return share.name.find("write") != std::string_view::npos;
    }));
}

TEST_CASE("a destination elsewhere is judged by what it tells", "[tune]") {
    struct Expected {
        const char* name;
        std::vector<Change> changes;
        Bottleneck expected;
        const char* mentions;
    };
    const std::vector<Expected> cases{
        {"nothing", {}, Bottleneck::unclear, "5% here and 3% at the destination"},
        // Over 90% of 4 cores, if they were those of one host.
        {"both hosts half busy",
         {{Figure::source_cpu, 2e6}, {Figure::destination_cpu, 2e6}},
         Bottleneck::unclear,
         "50% here and 25% at the destination"},
        {"the source's processors",
         {{Figure::source_cpu, 3.8e6}, {Figure::destination_cpu, 4e6}},
         Bottleneck::processors,
         "the source keeps 3.8 of this host's 4 cores"},
        {"the destination's processors",
         {{Figure::destination_cpu, 7.5e6}},
         Bottleneck::processors,
         "the destination keeps 7.5 of its host's 8 cores"},
        {"the destination's processors over its own span",
         {{Figure::destination_cpu, 3.75e6}, {Figure::destination_transfer, 5e5}},
         Bottleneck::processors,
         "the destination keeps 7.5 of its host's 8 cores"},
        {"write", {{Figure::write, 800'000}}, Bottleneck::device_write, "write calls for 80%"},
        {"receiver",
         {{Figure::receiver_cpu, 800'000}},
         Bottleneck::channel_cpu,
         "at the destination"},
        {"order",
         {{Figure::reorder_wait, 600'000}, {Figure::peak_queued_bytes, 950}},
         Bottleneck::reorder_wait,
         "--max-queued-bytes"},
        {"waiting, with a limit that is not known",
         {{Figure::reorder_wait, 600'000},
          {Figure::peak_queued_bytes, 950},
          {Figure::queued_bytes_max, 0}},
         Bottleneck::unclear,
         "No single part"},
        {"loading", {{Figure::state, 1e5}, {Figure::load, 9e5}}, Bottleneck::unclear, "No single"},
    };
    for (const Expected& each : cases) {
        CAPTURE(each.name);
        const Verdict verdict = judge(idle(each.changes), kElsewhere);
        CHECK(name_of(verdict.bottleneck) == name_of(each.expected));
        INFO(verdict.sentence);
        CHECK(verdict.sentence.find(each.mentions) != std::string::npos);
        CHECK(std::ranges::count_if(verdict.shares, [](const Share& share) {
                  return share.name.starts_with("all cores of");
              }) == 2);
    }
}

TEST_CASE("a destination elsewhere that loads long after everything was sent is named", "[tune]") {
    Figures figures;
    figures.set(Figure::state, 2e5);
    figures.set(Figure::load, 8e5);
    figures.set(Figure::state_bytes, 1e9);
    figures.set(Figure::send, 1e5);
    derive(figures);
    CHECK(judge(figures, kElsewhere).bottleneck == Bottleneck::destination);
    // Here too it is not in the sum.
    figures.set(Figure::source_cpu, 3.8e6);
    const auto sentence = judge(figures, kHere).sentence;
    CHECK_THAT(sentence, Catch::Contains("the source keeps 3.8 of this host's 4 cores"));
    figures.set(Figure::source_cpu, 0);
    // Here its parts would have said what it did.
    figures.set(Figure::write, 1e5);
    CHECK(judge(figures, kHere).bottleneck == Bottleneck::unclear);
}

TEST_CASE("a long validation hides nothing else", "[tune]") {
    CHECK(judge(idle({{Figure::validate, 9e6}, {Figure::write, 800'000}}), kHere).bottleneck ==
          Bottleneck::device_write);
    CHECK(judge(idle({{Figure::validate, 9e6}, {Figure::commit, 1.2e6}}), kHere).bottleneck ==
          Bottleneck::fixed_cost);
}

TEST_CASE("a run without any time in it has a verdict too", "[tune]") {
    CHECK(judge(Figures(), kHere).bottleneck == Bottleneck::unclear);
}

}  // namespace multifd::tuning
