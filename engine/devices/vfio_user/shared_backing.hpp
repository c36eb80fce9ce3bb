// SharedBacking: one file that several served devices share, and that only one process may use.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "channels/transport/descriptor.hpp"
#include "engine/devices/vfio_user/backing_ownership.hpp"
#include "multifd/device.hpp"

namespace multifd::vfio_user {

/// Holds an exclusive flock(2) on the file while any of the devices runs. What the file was written
/// is on the disk before it is released.
/// Threads:   all members from any thread. Taking never waits for another process.
/// Errors:    the constructor throws std::system_error when the file cannot be opened, or when a
///            device runs already and another process has the file.
class SharedBacking {
  public:
    SharedBacking(std::string path, std::vector<bool> runs);

    /// Before `device` runs. Fails with resource_unavailable_try_again while another process has
    /// the file; the device must not run then.
    CallResult before_running(std::size_t device);
    /// After `device`, workers included, has stopped.
    CallResult stopped(std::size_t device);

    [[nodiscard]] bool held() const;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    CallResult take();
    CallResult release();

    const std::string path_;
    Descriptor file_;
    mutable std::mutex mutex_;  ///< Guards ownership_ and the lock's state.
    BackingOwnership ownership_;
};

}  // namespace multifd::vfio_user
