// VfioDevice: a device behind Linux's VFIO migration uAPI, version 2.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "channels/transport/interrupt.hpp"
#include "engine/devices/device_states.hpp"
#include "engine/devices/vfio/vfio_attachment.hpp"
#include "engine/devices/vfio/vfio_features.hpp"

namespace multifd {

/// Whether a device's PCI configuration space is its config state.
enum class VfioConfig {
    automatic,  ///< Where it is a PCI device.
    on,
    off,
};

struct VfioSettings {
    VfioConfig config = VfioConfig::automatic;
    bool pre_copy = true;  ///< Use PRE_COPY where the driver has it.
};

/// Takes every arc of the state machine by a call of its own and asks the driver afterwards where
/// it is, so that a failed or half-done transition is seen where it happened.
///
/// A data descriptor lives from entering PRE_COPY, STOP_COPY or RESUMING to leaving them; there is
/// one at most. What drivers do differently is taken as meant: ENOMSG and 0 in PRE_COPY are
/// "nothing for now", in STOP_COPY only 0 is the end; a RESET ioctl may work without being
/// advertised, and ENOTTY or EINVAL say that there is none.
///
/// Ownership: owns the attachment and the data descriptor.
/// Threads:   as Device.
/// Errors:    the kernel's errno, with the step and the device's name. A device that is in ERROR,
///            or in RESUMING for good, and has no reset stays so; reset() says it.
class VfioDevice final : public Device {
  public:
    /// Throws std::runtime_error with one line when the device cannot migrate.
    VfioDevice(std::shared_ptr<VfioCalls> calls, VfioAttachment attachment, VfioSettings settings);

    [[nodiscard]] DeviceTraits traits() const noexcept override { return traits_; }
    /// Throws std::runtime_error when the driver does not answer.
    [[nodiscard]] DeviceState state() override;
    CallResult set_state(DeviceState target) override;
    CallResult read(std::span<std::byte> target) override;
    CallResult write(std::span<const std::byte> source) override;
    CallResult save_config(std::vector<std::byte>& target) override;
    CallResult load_config(std::span<const std::byte> source) override;
    CallResult pre_copy_sizes(PreCopySizes& target) override;
    /// 0 when the kernel or the driver cannot tell.
    CallResult stop_copy_size() override;
    CallResult reset() override;
    /// The value is the page size that the driver chose.
    CallResult start_dma_logging(std::uint64_t page_size,
                                 std::span<const DmaRange> ranges) override;
    CallResult report_dma_logging(DmaRange range, std::uint64_t page_size,
                                  std::span<std::uint64_t> bitmap) override;
    CallResult stop_dma_logging() override;
    /// Ends a read() that waits for the driver, where the driver's file can be waited for, and a
    /// write() between two pieces. A call inside the kernel is beyond it.
    void interrupt() noexcept override;

    /// What `multifd probe` tells beyond traits(): pairs of a name and a text.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> facts();

  private:
    /// What the data descriptor is for.
    enum class Session { none, saving, loading };
    static Session session_of(DeviceState state) noexcept;

    CallResult step(DeviceState from, DeviceState next);
    /// After a transition that failed: where the device is, in words, and no stale descriptor.
    CallResult failed_step(DeviceState from, DeviceState next, int error);
    void close_data() noexcept;
    [[nodiscard]] CallResult failure(std::string_view what, int error) const;
    [[nodiscard]] CallResult wrong_session(std::string_view call) const;
    /// The whole configuration space, or the failure.
    CallResult read_config_space(std::vector<std::byte>& target);

    // Constant after construction.
    std::shared_ptr<VfioCalls> calls_;
    VfioAttachment attachment_;
    VfioFeatures features_;
    VfioDeviceInfo info_;
    DeviceTraits traits_;
    OptionalStates options_;
    std::optional<VfioRegion> config_;  ///< Empty without a config state.

    VfioDescriptor data_;
    Session session_ = Session::none;
    DeviceState seen_ = DeviceState::running;  ///< As the driver last said.

    Interrupt interrupt_;
};

}  // namespace multifd
