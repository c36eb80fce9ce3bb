// DeviceInterrupt: ends waits on a device's file until it is cleared.
#pragma once

#include <atomic>

#include "channels/transport/descriptor.hpp"

namespace multifd {

/// Ownership: owns its eventfd.
/// Threads:   raise() and raised() from any; clear() from the one that waits.
/// Errors:    the constructor throws std::system_error when the process has no descriptor left.
class DeviceInterrupt {
  public:
    DeviceInterrupt();

    void raise() noexcept;
    void clear() noexcept;
    [[nodiscard]] bool raised() const noexcept { return raised_.load(); }
    /// For poll(): readable while raised.
    [[nodiscard]] int fd() const noexcept { return event_.get(); }

  private:
    Descriptor event_;
    std::atomic<bool> raised_ = false;  // Publishes nothing but itself.
};

}  // namespace multifd
