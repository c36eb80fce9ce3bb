// RegionAdapter: a device of interface version 1 behind the seam of version 2.
#pragma once

#include <memory>
#include <optional>

#include "multifd/device.hpp"
#include "multifd/region_device.hpp"

namespace multifd {

/// STOP_COPY is stop-and-copy, PRE_COPY is _RUNNING | _SAVING. A chunk counts as taken when the
/// next call for data comes, so that one whose read() failed is read again. The config state may
/// come before, between or after the data.
/// Threads:   as Device.
class RegionAdapter final : public Device {
  public:
    explicit RegionAdapter(std::shared_ptr<RegionDevice> device);

    [[nodiscard]] DeviceTraits traits() const noexcept override;
    [[nodiscard]] DeviceState state() override;
    CallResult set_state(DeviceState target) override;
    CallResult read(std::span<std::byte> target) override;
    CallResult write(std::span<const std::byte> source) override;
    CallResult save_config(std::vector<std::byte>& target) override;
    CallResult load_config(std::span<const std::byte> source) override;
    CallResult pre_copy_sizes(PreCopySizes& target) override;
    CallResult stop_copy_size() override;
    CallResult reset() override;
    void interrupt() noexcept override { device_->interrupt(); }

  private:
    CallResult step(DeviceState target);
    CallResult take_next_chunk();
    [[nodiscard]] CallResult require(std::string_view call, bool allowed);

    const std::shared_ptr<RegionDevice> device_;
    const bool pre_copy_;
    std::optional<RegionChunk> chunk_;  ///< Prepared, and not read as a whole.
};

}  // namespace multifd
