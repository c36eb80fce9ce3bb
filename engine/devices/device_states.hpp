// The states of a device that follows VFIO migration v2, and the ways between them.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "multifd/device.hpp"

namespace multifd {

/// Which optional states a device has.
struct OptionalStates {
    bool p2p = false;
    bool pre_copy = false;
};

/// Whether a device with these options has `state`. ERROR counts as a state nobody may ask for.
[[nodiscard]] bool has_state(OptionalStates options, DeviceState state) noexcept;

/// Whether a device gives its state in `state`.
[[nodiscard]] bool saves_in(DeviceState state) noexcept;

/// The next state on the way from `from` to `target`, as the VFIO uAPI defines the ways (over the
/// states that the device has); `from` itself when it is there already. Empty when there is no way:
/// to or out of ERROR, to a state that the device lacks, from STOP_COPY back to PRE_COPY.
[[nodiscard]] std::optional<DeviceState> next_state(OptionalStates options, DeviceState from,
                                                    DeviceState target) noexcept;

/// The state whose to_string() is `name`.
[[nodiscard]] std::optional<DeviceState> state_of_name(std::string_view name) noexcept;

/// Walks a device through its states.
/// Threads:   current() from any thread; everything else from the device's thread.
class DeviceStates {
  public:
    /// Does the work of one direct arc. On failure the device stays in `from`, unless enter() was
    /// called.
    using Step = std::function<CallResult(DeviceState from, DeviceState target)>;

    DeviceStates(OptionalStates options, DeviceState initial) noexcept
        : options_(options), current_(initial) {}

    [[nodiscard]] DeviceState current() const noexcept { return current_.load(); }
    [[nodiscard]] OptionalStates options() const noexcept { return options_; }

    /// Takes every arc on the way to `target`, one step() each; stops at the first that fails.
    /// Refuses a way that does not exist before any step, naming both states.
    CallResult advance(DeviceState target, const Step& step);

    /// Puts the device into `state` without a step: for reset, and for failures that end in ERROR.
    void enter(DeviceState state) noexcept { current_.store(state); }

    /// Success in that state, else a failure that names `call` and the current state.
    [[nodiscard]] CallResult require(std::string_view call, DeviceState allowed) const;

  private:
    OptionalStates options_;
    std::atomic<DeviceState> current_;  ///< Read by lend(), which may come from any thread.
};

}  // namespace multifd
