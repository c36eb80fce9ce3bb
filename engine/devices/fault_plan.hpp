// Failures that a user asks of a device, to see what a migration makes of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/devices/device_clock.hpp"
#include "multifd/device.hpp"

namespace multifd {

/// What happens at the step.
enum class FaultKind {
    fail,     ///< The call fails with io_error; a failed set-state leaves the device in ERROR.
    hang,     ///< The call does not return until interrupt().
    stuck,    ///< The call never returns, whatever happens.
    thrown,   ///< The call throws std::runtime_error.
    exhaust,  ///< The call throws std::bad_alloc.
};

/// The call in which it happens.
enum class FaultStep {
    read,
    write,
    set_state,
    save_config,
    load_config,
    sizes,
    reset,
    dma_logging
};

struct Fault {
    FaultKind kind = FaultKind::fail;
    FaultStep step = FaultStep::read;
    std::uint64_t at_bytes = 0;           ///< read and write: in the call that reaches this byte.
    std::optional<DeviceState> at_state;  ///< set-state: on entering it; empty means any.
};

/// The text of a fault is STEP[:AT]: "read", "read:1MiB", "write:4096", "set-state:stop-copy",
/// "save-config", "load-config", "config" (either of the two), "sizes", "reset", "dma-logging".
/// Empty when it has another form.
[[nodiscard]] std::optional<std::vector<Fault>> parse_fault(FaultKind kind, std::string_view text);
inline constexpr std::string_view kFaultForm =
    "read[:BYTES], write[:BYTES], set-state[:STATE], save-config, load-config, config, sizes, "
    "reset "
    "or dma-logging";

/// The faults of one device; each happens once.
/// Threads:   the device's thread only.
class FaultPlan {
  public:
    explicit FaultPlan(std::vector<Fault> faults) : faults_(std::move(faults)) {}

    /// To be called first in every call of that step. `reached` is the number of stream bytes
    /// behind the device when the call is done. Not ok: the call ends with that result.
    [[nodiscard]] CallResult check(FaultStep step, std::uint64_t reached, DeviceClock& clock);
    [[nodiscard]] CallResult check_state(DeviceState target, DeviceClock& clock);

  private:
    CallResult happen(std::size_t index, DeviceClock& clock);

    std::vector<Fault> faults_;  ///< Those that have not happened.
};

}  // namespace multifd
