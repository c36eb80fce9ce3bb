// check_conformance: takes a device through what a migration will ask of it, without a migration.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "multifd/device.hpp"
#include "multifd/report.hpp"

namespace multifd {

/// What came of an item, or of all.
enum class CheckResult {
    passed,
    failed,
    skipped,  ///< Does not apply to this device, or was not reached; the reason says which.
};
std::string_view to_string(CheckResult result) noexcept;

/// One thing that is checked.
struct CheckItem {
    std::string_view name;   ///< "odd-sizes": stable, for scripts.
    std::string_view title;  ///< One line.
};

/// All items, in the order in which they run.
std::span<const CheckItem> check_items() noexcept;

/// The devices of one repetition.
struct CheckedDevices {
    std::shared_ptr<Device> source;
    /// Loads what `source` gives. May be the same object, which then gets its own state back.
    std::shared_ptr<Device> destination;
    /// For a destination whose STOP_COPY fails with operation_not_supported: makes a device that
    /// gives the state that `destination` has loaded. Without it nothing is compared there.
    std::function<std::shared_ptr<Device>()> reader = {};
};

/// Called once for each repetition, when the devices of the last one have been let go.
using CheckedDevicesFactory = std::function<CheckedDevices()>;

/// Moments at which the host may touch the devices.
enum class CheckEvent {
    source_running,       ///< It runs, and will be saved: load it.
    source_resumed,       ///< It runs again, after a save was given up.
    destination_loaded,   ///< It has the source's state, and is in STOP.
    destination_running,  ///< It runs with the source's state: verify it.
    failed,               ///< An item failed; nothing has been tidied up.
};
/// "source-running", ...
std::string_view to_string(CheckEvent event) noexcept;

/// An item that has run, or was not reached.
struct CheckedItem {
    CheckItem item;
    CheckResult result = CheckResult::skipped;
    std::string reason;            ///< Why it failed or was skipped; else what was seen, or empty.
    std::uint32_t repetition = 0;  ///< From 1; 0 when it has not run.
    std::chrono::microseconds time{0};
};

/// Pages that a range for DMA logging may have: 1 TiB of 4 KiB each, a bitmap of 32 MiB.
inline constexpr std::uint64_t kCheckedDmaPagesMax = std::uint64_t{1} << 28U;
/// Bytes of a page of a DMA log unless chosen otherwise.
inline constexpr std::uint64_t kCheckedDmaPageBytes = 4096;

struct CheckSettings {
    std::vector<std::string> items;  ///< Names; empty means all.
    std::uint32_t repetitions = 1;   ///< At least 1; a failure ends them.
    /// A device call that takes longer is interrupted, left behind, and fails its item.
    std::chrono::milliseconds call_timeout{30'000};
    /// The most that a device may give in one save before it counts as one that never ends; 0: a
    /// quarter of this host's memory.
    std::uint64_t state_bytes_max = 0;
    /// What DMA logging is tried with; a kernel's device wants ranges that are mapped for it. None
    /// is empty, or has more pages than kCheckedDmaPagesMax.
    std::vector<DmaRange> dma_ranges{{0, std::uint64_t{64} << 20U}};
    std::uint64_t dma_page_bytes = kCheckedDmaPageBytes;
    /// May block, without a limit. A failure fails the item.
    std::function<CallResult(CheckEvent event, std::string_view item)> on_event;
    std::function<void(const CheckedItem&)> on_item;  ///< After each item.
    /// Ends the check before its next call, and a call that runs by interrupt().
    std::stop_token stop;
};

/// How long one transition took, over all times that it was made. `from` is where the device was;
/// states in between do not count for themselves.
struct TransitionTime {
    Role role = Role::source;  ///< Of the device; source when there is one for both.
    DeviceState from = DeviceState::error;
    DeviceState target = DeviceState::error;
    std::uint64_t count = 0;
    std::chrono::microseconds median{0};
    std::chrono::microseconds p99{0};
    std::chrono::microseconds max{0};
};

/// What was there when an item failed.
struct CheckFailure {
    std::string item;
    std::string reason;
    std::uint32_t repetition = 0;
    /// Empty when its last call has not returned, or there is no device: the factory has failed in
    /// a repetition after the first. Then `item` is the one that would have been first.
    std::optional<DeviceState> source;
    std::optional<DeviceState> destination;
    std::vector<std::string> calls;  ///< The last device calls with their results, oldest first.
    std::vector<std::byte> state;    ///< Of the source, as far as it was read last.
    std::vector<std::byte> config;
    std::vector<std::byte> loaded_state;  ///< Read back from the destination, when it was.
    std::vector<std::byte> loaded_config;
};

struct CheckReport {
    CheckResult result = CheckResult::passed;  ///< skipped: it was stopped before its end.
    DeviceTraits source;
    DeviceTraits destination;
    std::vector<CheckedItem> items;  ///< Those of check_items() that were asked for.
    std::vector<TransitionTime> transitions;
    std::optional<CheckFailure> failure;
    std::uint32_t repetitions = 0;   ///< Completed ones.
    std::uint64_t state_bytes = 0;   ///< Of the largest state that the source gave.
    std::uint64_t config_bytes = 0;  ///< The same of its config state.
};

/// Runs the items over the devices, `settings.repetitions` times, up to the first failure: then the
/// devices stay as the item left them, and nothing else is asked of them. Without a failure both
/// run at the end.
/// Limits:    holds the source's whole state in memory, up to three times.
/// Ownership: shares the devices; a call that never returns keeps its device beyond this function.
/// Threads:   all calls into a device come from one thread, one at a time, but interrupt().
/// Errors:    throws std::invalid_argument for an unknown item, no repetition, a range that cannot
///            be logged, no factory or no devices, and what the factory throws the first time. All
///            else stands in the report.
[[nodiscard]] CheckReport check_conformance(const CheckedDevicesFactory& factory,
                                            const CheckSettings& settings);

}  // namespace multifd
