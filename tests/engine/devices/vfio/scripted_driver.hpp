// ScriptedDriver: a VFIO driver and its kernel behind VfioCalls, with the habits of real drivers.
#pragma once

#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/devices/vfio/vfio_device.hpp"

namespace multifd::test {

using Bytes = std::vector<std::byte>;

/// What the driver does otherwise than well-behaved ones. An errno of 0 means success.
struct DriverHabits {
    bool migration = true;
    bool p2p = true;
    bool pre_copy = true;
    bool pci = true;
    bool dma_logging = true;
    bool data_size = true;  ///< Has VFIO_DEVICE_FEATURE_MIG_DATA_SIZE.
    int reset_error = 0;    ///< ENOTTY: there is no reset.
    DeviceState after_reset = DeviceState::running;
    int pre_copy_end = ENOMSG;    ///< 0: read gives 0 at the end of pre-copy data.
    std::size_t read_max = 1000;  ///< Bytes that one read() gives at most.
    std::size_t write_max = 1000;
    int interruptions = 0;         ///< So many reads and writes fail with EINTR first.
    bool forgets_data_fd = false;  ///< Gives none with STOP_COPY.
    bool extra_data_fd = false;    ///< Gives another on the way to STOP_COPY.
    bool lies = false;             ///< Says that it moved, and did not.
    bool never_ready = false;      ///< Its data is never readable.
    int state_error = 0;           ///< When asked where it is.
    /// A transition to this state fails: the errno, and where the device is then.
    struct Failure {
        DeviceState target;
        int error;
        std::optional<DeviceState> left_in;
    };
    std::optional<Failure> failure = {};
};

/// A write to the configuration space: where, and what.
using ConfigWriteSeen = std::pair<std::uint64_t, Bytes>;

/// Knows direct arcs alone, as VfioDevice takes them; counts descriptors, so that leaks are seen.
class ScriptedDriver final : public VfioCalls {
  public:
    static constexpr int kDevice = 1000;

    explicit ScriptedDriver(DriverHabits habits = {});

    // What the tests set and look at.
    DriverHabits habits;
    DeviceState state = DeviceState::running;
    Bytes pre_copy_data, stop_copy_data;  ///< What it gives.
    Bytes taken;                          ///< What it was given.
    Bytes config_space;
    std::vector<ConfigWriteSeen> config_writes;
    std::set<int> open_data;  ///< Data descriptors that are open now.
    bool device_open = true;
    std::vector<DeviceState> visited;  ///< Every state entered.
    std::set<std::uint64_t> dirty_pages;
    std::vector<std::string> opened;    ///< Paths.
    std::vector<std::string> attached;  ///< Names of the attach requests, in order.
    std::map<std::string, int> open_errors;
    bool group_viable = true;
    int bind_error = 0;

    int open(const std::string& path, int flags) override;
    int ioctl(int fd, unsigned long request, std::uintptr_t argument) override;
    std::ptrdiff_t read(int fd, std::span<std::byte> target) override;
    std::ptrdiff_t write(int fd, std::span<const std::byte> source) override;
    std::ptrdiff_t read_at(int fd, std::span<std::byte> target, std::uint64_t offset) override;
    std::ptrdiff_t write_at(int fd, std::span<const std::byte> source,
                            std::uint64_t offset) override;
    int await_readable(int fd, int wake) override;
    void close(int fd) override;

  private:
    int feature(std::byte* message);
    int set_state(DeviceState target, int& data_fd);
    int attach(unsigned long request, std::uintptr_t argument);

    int next_fd_ = 2000;
    std::uint64_t logged_page_ = 0;
};

}  // namespace multifd::test
