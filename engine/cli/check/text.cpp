#include <algorithm>

#include "engine/cli/check/output.hpp"
#include "engine/cli/printable_text.hpp"
#include "engine/cli/readable.hpp"
#include "engine/cli/text_table.hpp"

namespace multifd::checking {
namespace {

std::string count_of(std::uint64_t count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string traits_of(const DeviceTraits& traits) {
    std::string text(traits.kind);
    const auto add = [&text](bool has, const char* name) {
        if (has) text += std::string(", ") + name;
    };
    add(traits.p2p, "p2p");
    add(traits.pre_copy, "pre-copy");
    add(traits.lends, "lends");
    add(traits.dma_logging, "dma-logging");
    add(traits.chunked, "chunked");
    return text;
}

std::string state_text(const std::optional<DeviceState>& state) {
    return state ? std::string(to_string(*state))
                 : "unknown: a call has not returned, or there is no device";
}

std::string items_text(const CheckReport& report) {
    TextTable table({"<result", "<item", "time", "<seen"});
    for (const CheckedItem& item : report.items) {
        const auto time = static_cast<std::uint64_t>(item.time.count());
        table.add({std::string(to_string(item.result)), std::string(item.item.name),
                   item.repetition == 0 ? "" : readable_us(time), printable(item.reason)});
    }
    return table.text();
}

std::string times_text(const CheckReport& report) {
    TextTable table({"<transition", "<of", "times", "median", "p99", "max"});
    const auto us = [](std::chrono::microseconds time) {
        return readable_us(static_cast<std::uint64_t>(time.count()));
    };
    for (const TransitionTime& time : report.transitions) {
        table.add({std::string(to_string(time.from)) + " to " + std::string(to_string(time.target)),
                   std::string(to_string(time.role)), std::to_string(time.count), us(time.median),
                   us(time.p99), us(time.max)});
    }
    return table.empty() ? "" : "\n" + table.text();
}

std::string failure_text(const CheckOutcome& outcome) {
    const CheckFailure& failure = *outcome.report.failure;
    std::string text = "\nfailed: " + failure.item + ", repetition " +
                       std::to_string(failure.repetition) + "\n  " + printable(failure.reason) +
                       "\n  source: " + state_text(failure.source) +
                       "\n  destination: " + state_text(failure.destination) + "\n";
    if (!outcome.kept.empty()) {
        text += "  the calls and the state are kept in " + printable(outcome.kept) + "\n";
    }
    return text;
}

std::string verdict(const CheckReport& report) {
    const auto of = [&report](CheckResult result) {
        return static_cast<std::uint64_t>(
            std::ranges::count(report.items, result, &CheckedItem::result));
    };
    const std::string word = report.result == CheckResult::failed    ? "failed"
                             : report.result == CheckResult::skipped ? "stopped"
                                                                     : "passed";
    return word + ": " + std::to_string(of(CheckResult::passed)) + " passed, " +
           std::to_string(of(CheckResult::failed)) + " failed, " +
           std::to_string(of(CheckResult::skipped)) + " skipped; " +
           count_of(report.repetitions, "whole repetition") + "; state " +
           readable_bytes(report.state_bytes) + ", config state " +
           readable_bytes(report.config_bytes);
}

}  // namespace

std::string check_text(const CheckOutcome& outcome) {
    const CheckReport& report = outcome.report;
    std::string text = printable(outcome.idstr) + ": " + traits_of(report.source) +
                       "; loaded into: " + traits_of(report.destination) + "\n" +
                       items_text(report) + times_text(report);
    if (report.failure) text += failure_text(outcome);
    return text + "\n" + verdict(report) + "\n";
}

}  // namespace multifd::checking
