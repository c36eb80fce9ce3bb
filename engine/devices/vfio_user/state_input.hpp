// StateInput: what a device that resumes is given.
#pragma once

#include "engine/devices/vfio_user/state_sections.hpp"
#include "multifd/device.hpp"

namespace multifd::vfio_user {

/// Hands the state in a stream of sections to a device in RESUMING as it comes, so that nothing of
/// it is held here.
/// Ownership: `device` outlives this object.
/// Threads:   the device's.
/// Errors:    as SectionReader: the first one stays, so that a state that was wrong once is refused
///            when it is to be applied.
class StateInput final : private SectionSink {
  public:
    StateInput(Device& device, ServedIdentity expected)
        : device_(device), reader_(std::move(expected)) {}

    CallResult write(ConstBytes bytes) { return reader_.feed(bytes, *this); }
    /// Whether the device may apply what it has been given.
    [[nodiscard]] CallResult finish() const { return reader_.finish(); }

  private:
    CallResult take_data(ConstBytes bytes) override { return device_.write(bytes); }
    CallResult take_config(ConstBytes config) override { return device_.load_config(config); }

    Device& device_;
    SectionReader reader_;
};

}  // namespace multifd::vfio_user
