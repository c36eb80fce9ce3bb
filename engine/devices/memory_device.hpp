// The memory device: a synthetic device for tests and tuning, of any size and speed.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/devices/device_clock.hpp"
#include "engine/devices/device_states.hpp"
#include "engine/devices/dma_log.hpp"
#include "engine/devices/fault_plan.hpp"
#include "engine/devices/held_memory.hpp"
#include "engine/devices/memory_content.hpp"
#include "engine/devices/memory_load.hpp"
#include "engine/devices/memory_options.hpp"
#include "engine/devices/memory_save.hpp"
#include "multifd/device.hpp"

namespace multifd {

/// Its state is computed, not held (but for held=on), and says of each part where it belongs, so
/// that the destination finds every missing, swapped, corrupted or doubled byte by itself: a wrong
/// byte fails its write(), a short state fails RESUMING to STOP. Without precopy the state is
/// exactly `size` bytes; with it, or after it has been dirtied, a stream of records. A device that
/// has loaded a state has that state from then on, and can be a source of it. Its DMA log is of the
/// pages that it writes, where byte n of the state is I/O address n.
/// Limits:    see memory_options.hpp; memory is used only with held=on.
/// Threads:   as Device.
/// Errors:    the constructor throws std::bad_alloc when memory to be held cannot be had.
class MemoryDevice : public Device {
  public:
    explicit MemoryDevice(MemoryOptions options, std::unique_ptr<DeviceClock> clock =
                                                     std::make_unique<SteadyDeviceClock>());

    [[nodiscard]] DeviceTraits traits() const noexcept override;
    [[nodiscard]] DeviceState state() override { return states_.current(); }
    CallResult set_state(DeviceState target) override;
    CallResult read(std::span<std::byte> target) override;
    CallResult write(std::span<const std::byte> source) override;
    CallResult save_config(std::vector<std::byte>& target) override;
    CallResult load_config(std::span<const std::byte> source) override;
    CallResult pre_copy_sizes(PreCopySizes& target) override;
    CallResult stop_copy_size() override;
    CallResult reset() override;
    CallResult start_dma_logging(std::uint64_t page_size,
                                 std::span<const DmaRange> ranges) override;
    CallResult report_dma_logging(DmaRange range, std::uint64_t page_size,
                                  std::span<std::uint64_t> bitmap) override;
    CallResult stop_dma_logging() override;
    void interrupt() noexcept override { clock_->interrupt(); }
    [[nodiscard]] std::span<std::byte> lend() noexcept override;
    CallResult wrote_lent(std::span<const std::byte> source) override;

    /// What the state is now: the device's own, or the one that it has loaded. Not while the device
    /// is in RESUMING.
    [[nodiscard]] MemoryContent content() const noexcept;
    /// With held=on the memory, else empty.
    [[nodiscard]] std::span<const std::byte> held() const noexcept { return held_.bytes(); }

  private:
    CallResult step(DeviceState from, DeviceState target);
    CallResult enter_stop_copy();
    CallResult finish_load();
    CallResult verify_held(const StateContent& generator, const DirtyRing& ring);
    void become(const MemoryContent& content);
    void hold_own_state();
    void begin_save();
    void end_save() noexcept;
    void begin_dirtying();
    void log_writes(std::uint64_t pages) noexcept;
    void dirty();  ///< Writes the pages that the time since begin_dirtying() makes due.
    [[nodiscard]] bool saves_records() const noexcept;
    [[nodiscard]] bool in_pre_copy() const noexcept;
    [[nodiscard]] CallResult refuse_interrupted(std::string_view call);
    template <class Take>
    CallResult load_paced(std::span<const std::byte> source, Take take);

    // Constant after construction.
    MemoryOptions options_;
    std::unique_ptr<DeviceClock> clock_;
    MemoryContent own_;  ///< What a reset returns to.

    DeviceStates states_;
    FaultPlan faults_;
    RateLimit read_limit_;
    RateLimit write_limit_;
    HeldMemory held_;
    bool held_is_state_ = false;  ///< Whether held_ has content() in it.

    // The state.
    StateContent generator_;
    DirtyRing ring_;
    DmaLog dma_log_;

    // While saving: one of the two. While loading: the load.
    std::optional<PlainSave> plain_save_;
    std::optional<RecordSave> record_save_;
    std::uint64_t given_ = 0;  ///< Bytes read since the save began.
    std::optional<MemoryLoad> load_;
    DeviceClock::TimePoint dirtying_since_{};
    std::uint64_t dirtied_pages_ = 0;  ///< Since then.
};

}  // namespace multifd
