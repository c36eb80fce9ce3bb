#include "multifd/conformance.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

#include "engine/conformance/items.hpp"
#include "engine/devices/dma_bitmap.hpp"
#include "engine/text/nearest_name.hpp"

namespace multifd {
namespace {

struct ConformanceItem {
    CheckItem item;
    void (*run)(Bench& bench);
};

// What others rely on comes first.
constexpr auto kItems = std::to_array<ConformanceItem>({
    {{"initial-state", "it begins in RUNNING or STOP, and can run"}, check_initial_state},
    {{"stream-end", "STOP_COPY gives the state up to an end that stays"}, check_stream_end},
    {{"new-stream", "entering STOP_COPY again begins a new stream"}, check_new_stream},
    {{"round-trip", "what the source gives, the destination takes, and both have then"},
     check_round_trip},
    {{"reset", "reset() leads from every state to RUNNING or STOP"}, check_reset},
    {{"transitions", "every transition that the uAPI allows is made"}, check_transitions},
    {{"forbidden-transitions", "every other is refused, and changes nothing"},
     check_forbidden_transitions},
    {{"read-states", "nothing can be read but in STOP_COPY and PRE_COPY"}, check_read_states},
    {{"write-states", "nothing can be written but in RESUMING"}, check_write_states},
    {{"sizes", "no more comes in STOP_COPY than was told"}, check_sizes},
    {{"odd-sizes", "read in odd sizes and loaded in others, it is the same device"},
     check_odd_sizes},
    {{"config", "the config state makes its round trip"}, check_config},
    {{"lent-memory", "the memory that is lent is the state"}, check_lent_memory},
    {{"cancelled-save", "after a save that was cancelled it runs, and can be saved"},
     check_cancelled_save},
    {{"interrupted-save", "the same after interrupt() in a save"}, check_interrupted_save},
    {{"abandoned-resume", "a load that was given up leaves no trace"}, check_abandoned_resume},
    {{"interrupted-load", "the same after interrupt() in a load"}, check_interrupted_load},
    {{"truncated-state", "a state without its end is refused"}, check_truncated_state},
    {{"pre-copy-sizes", "PRE_COPY gives the initial bytes that it tells, and counts them down"},
     check_pre_copy_sizes},
    {{"pre-copy", "a state that was copied early is the whole state"}, check_pre_copy},
    {{"cancelled-pre-copy", "after a pre-copy that was cancelled the next one is whole"},
     check_cancelled_pre_copy},
    {{"dma-logging", "start, report and stop of DMA logging"}, check_dma_logging},
});

constexpr auto kNames = [] {
    std::array<CheckItem, kItems.size()> names;
    std::ranges::transform(kItems, names.begin(), &ConformanceItem::item);
    return names;
}();

std::vector<const ConformanceItem*> chosen(const std::vector<std::string>& names) {
    std::vector<std::string_view> known;
    known.reserve(kNames.size());
    for (const CheckItem& item : kNames) known.push_back(item.name);
    for (const std::string& name : names) {
        if (std::ranges::find(known, name) != known.end()) continue;
        throw std::invalid_argument("there is no item \"" + name + "\"; nearest is \"" +
                                    std::string(nearest_name(name, known)) + "\"");
    }
    std::vector<const ConformanceItem*> items;
    for (const ConformanceItem& item : kItems) {
        const bool asked = names.empty() || std::ranges::find(names, item.item.name) != names.end();
        if (asked) items.push_back(&item);
    }
    return items;
}

/// One check: its repetitions, and what they have found so far.
class Check {
  public:
    Check(const CheckedDevicesFactory& factory, const CheckSettings& settings)
        : factory_(factory), settings_(settings), items_(chosen(settings.items)) {
        if (settings.repetitions == 0) throw std::invalid_argument("no repetition was asked for");
        if (!factory) throw std::invalid_argument("no factory was given");
        check_ranges();
        for (const ConformanceItem* item : items_) {
            report_.items.push_back(
                {item->item, CheckResult::skipped, "it was not reached", 0, {}});
        }
    }

    CheckReport run() {
        for (std::uint32_t number = 1; number <= settings_.repetitions; ++number) {
            report_.result = run_repetition(number);
            if (report_.result != CheckResult::passed) break;
            report_.repetitions = number;
        }
        report_.transitions = times_.summary();
        return std::move(report_);
    }

  private:
    void check_ranges() const {
        const std::uint64_t page_bytes = settings_.dma_page_bytes;
        for (const DmaRange& range : settings_.dma_ranges) {
            const bool can = page_bytes != 0 && range.size != 0 &&
                             dma_pages(range, page_bytes) <= kCheckedDmaPagesMax;
            if (can) continue;
            throw std::invalid_argument("a range of " + std::to_string(range.size) +
                                        " bytes cannot be logged in pages of " +
                                        std::to_string(page_bytes) + "; it may have 1 to " +
                                        std::to_string(kCheckedDmaPagesMax) + " pages");
        }
    }

    CheckResult run_repetition(std::uint32_t number) {
        std::optional<Bench> bench;
        try {
            make(bench);
        } catch (const std::exception& failure) {
            // Later the report has what the repetitions before have found.
            if (number == 1) throw;
            CheckedItem& first = report_.items.front();
            mark_failed(first, "its devices cannot be made: " + std::string(failure.what()),
                        number);
            return keep(failure_of(first), first);
        }
        report_.source = bench->source().traits();
        report_.destination = bench->destination().traits();
        return run_items(*bench, number);
    }

    void make(std::optional<Bench>& bench) {
        CheckedDevices devices = factory_();
        if (!devices.source || !devices.destination) {
            throw std::invalid_argument("the factory gave no devices");
        }
        bench.emplace(std::move(devices), settings_,
                      CheckSurroundings{journal_, times_, settings_.call_timeout, settings_.stop});
    }

    static void mark_failed(CheckedItem& item, std::string reason, std::uint32_t number) {
        item.result = CheckResult::failed;
        item.reason = std::move(reason);
        item.repetition = number;
    }

    CheckResult run_items(Bench& bench, std::uint32_t number) {
        for (std::size_t index = 0; index < items_.size(); ++index) {
            CheckedItem& checked = report_.items[index];
            const CheckResult result = run_item(bench, *items_[index], checked, number);
            measure(bench);
            if (settings_.on_item && !settings_.stop.stop_requested()) settings_.on_item(checked);
            if (result == CheckResult::failed) return keep(bench, checked);
            if (settings_.stop.stop_requested()) return CheckResult::skipped;
        }
        return settle(bench, number);
    }

    CheckResult run_item(Bench& bench, const ConformanceItem& item, CheckedItem& checked,
                         std::uint32_t number) {
        const auto began = Clock::now();
        CheckResult result = CheckResult::failed;
        std::string reason;
        bench.begin_item(item.item.name);
        try {
            item.run(bench);
            result = CheckResult::passed;
            reason = bench.notes();
        } catch (const NotApplicable& skipped) {
            result = CheckResult::skipped;
            reason = skipped.what();
        } catch (const CheckStopped&) {
            result = CheckResult::skipped;
            reason = "the check was stopped";
        } catch (const std::bad_alloc&) {
            reason = "this host has too little memory to hold the state of the devices";
        } catch (const std::exception& failure) {
            reason = failure.what();
        }
        const auto time =
            std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began);
        checked = {item.item, result, std::move(reason), number, checked.time + time};
        return result;
    }

    /// Without a failure both devices run at the end.
    CheckResult settle(Bench& bench, std::uint32_t number) {
        try {
            for (CheckedDevice* device : bench.devices()) bench.run(*device);
        } catch (const CheckStopped&) {
            return CheckResult::skipped;
        } catch (const std::exception& failure) {
            CheckedItem& last = report_.items.back();
            mark_failed(last, "at the end " + std::string(failure.what()), number);
            return keep(bench, last);
        }
        return CheckResult::passed;
    }

    void measure(Bench& bench) {
        const SavedState& saved = bench.saved();
        report_.state_bytes = std::max<std::uint64_t>(report_.state_bytes, saved.state.size());
        report_.config_bytes = std::max<std::uint64_t>(report_.config_bytes, saved.config.size());
    }

    [[nodiscard]] CheckFailure failure_of(const CheckedItem& failed) const {
        CheckFailure failure;
        failure.item = failed.item.name;
        failure.reason = failed.reason;
        failure.repetition = failed.repetition;
        failure.calls = journal_.lines();
        return failure;
    }

    CheckResult keep(Bench& bench, const CheckedItem& failed) {
        // Asked first: the calls for it are among the last ones.
        const auto source = state_of(bench.source());
        const auto destination = state_of(bench.destination());
        CheckFailure failure = failure_of(failed);
        failure.source = source;
        failure.destination = destination;
        failure.state = bench.saved().state;
        failure.config = bench.saved().config;
        failure.loaded_state = bench.read_back().state;
        failure.loaded_config = bench.read_back().config;
        return keep(std::move(failure), failed);
    }

    CheckResult keep(CheckFailure failure, const CheckedItem& failed) {
        report_.failure = std::move(failure);
        // It changes nothing any more; whether it did its work is for the host to say.
        if (settings_.on_event) (void)settings_.on_event(CheckEvent::failed, failed.item.name);
        return CheckResult::failed;
    }

    static std::optional<DeviceState> state_of(CheckedDevice& device) {
        try {
            return device.state();
        } catch (const std::exception&) {
            return std::nullopt;
        }
    }

    const CheckedDevicesFactory& factory_;
    const CheckSettings& settings_;
    const std::vector<const ConformanceItem*> items_;
    CallJournal journal_;
    TransitionTimes times_;
    CheckReport report_;
};

}  // namespace

std::span<const CheckItem> check_items() noexcept {
    return kNames;
}

std::string_view to_string(CheckResult result) noexcept {
    switch (result) {
        case CheckResult::passed:
            return "passed";
        case CheckResult::failed:
            return "failed";
        case CheckResult::skipped:
            return "skipped";
    }
    return "unknown";
}

std::string_view to_string(CheckEvent event) noexcept {
    switch (event) {
        case CheckEvent::source_running:
            return "source-running";
        case CheckEvent::source_resumed:
            return "source-resumed";
        case CheckEvent::destination_loaded:
            return "destination-loaded";
        case CheckEvent::destination_running:
            return "destination-running";
        case CheckEvent::failed:
            return "failed";
    }
    return "unknown";
}

CheckReport check_conformance(const CheckedDevicesFactory& factory, const CheckSettings& settings) {
    return Check(factory, settings).run();
}

}  // namespace multifd
