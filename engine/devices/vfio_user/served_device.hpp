// ServedDevice: a device as a vfio-user server exposes it: its states, and its migration buffer.
#pragma once

#include <cstddef>
#include <optional>

#include "engine/devices/device_states.hpp"
#include "engine/devices/vfio_user/shared_backing.hpp"
#include "engine/devices/vfio_user/state_input.hpp"
#include "engine/devices/vfio_user/state_output.hpp"

namespace multifd::vfio_user {

/// Walks a device through the states that a client asks for, arc by arc, and keeps what belongs to
/// each: the buffer while it is saved, the reader while it resumes, the shared backing while it
/// runs.
///
///     RUNNING ... -> STOP     the device stops, then the backing is released if it was the last
///     STOP -> RUNNING ...     the backing is taken, then the device runs
///     -> PRE_COPY, STOP_COPY  the buffer is filled as it is read
///     RESUMING -> STOP        an incomplete or wrong state fails here, and stays in RESUMING
///
/// Ownership: device and backing outlive this object; `backing` may be null.
/// Threads:   one at a time, but interrupt().
/// Errors:    as CallResult, also for what the device throws. After a failed transition state()
///            says where the device is.
class ServedDevice {
  public:
    struct Backing {
        SharedBacking* file = nullptr;
        std::size_t device = 0;  ///< Which of its devices this one is.
    };
    /// `chunk_bytes`: how much is read from the device at once.
    ServedDevice(Device& device, ServedIdentity identity, std::size_t chunk_bytes, Backing backing);

    [[nodiscard]] DeviceState state();
    [[nodiscard]] DeviceTraits traits() const noexcept { return device_.traits(); }
    [[nodiscard]] const ServedIdentity& identity() const noexcept { return identity_; }

    /// The shortest way there; invalid_argument when there is none.
    CallResult set_state(DeviceState target);
    /// In a state of saving: the next bytes; less than asked at the end only (in PRE_COPY: for
    /// now).
    CallResult read(std::span<std::byte> target);
    /// In RESUMING.
    CallResult write(ConstBytes source);
    /// The most that read() would still give, sections included, as far as the device tells. Until
    /// a config state has been seen, the largest one is counted.
    CallResult pending_bytes();
    /// Afterwards the device runs, or is stopped when the backing cannot be had.
    CallResult reset();
    /// A transfer that was under way has lost its client: saving ends where the device was before
    /// the transfer's state (RUNNING from PRE_COPY, STOP from STOP_COPY), a half-loaded state is
    /// thrown away. A device that only runs or is stopped stays as it is: who owns it is not for
    /// its server to say.
    CallResult client_gone();
    /// Makes a call that blocks in the device return soon.
    void interrupt() noexcept { device_.interrupt(); }

  private:
    CallResult step(DeviceState from, DeviceState target);
    CallResult before_running();
    CallResult after_stopping();
    void begin_or_end_transfers(DeviceState from, DeviceState target);
    [[nodiscard]] CallResult require(bool allowed, const char* call);

    Device& device_;
    const ServedIdentity identity_;
    const std::size_t chunk_bytes_;
    const Backing backing_;
    std::size_t config_bytes_ = SectionLimits::kConfigBytesMax;  ///< Of the last save, or the most.
    std::optional<StateOutput> output_;                          ///< While the device is saved.
    std::optional<StateInput> input_;                            ///< While it resumes.
};

/// Whether the device acts by itself in this state.
[[nodiscard]] bool acts_in(DeviceState state) noexcept;

}  // namespace multifd::vfio_user
