// The file device: state from a file, into a file.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/devices/atomic_file.hpp"
#include "engine/devices/device_states.hpp"
#include "engine/devices/option_reader.hpp"
#include "multifd/device.hpp"
#include "multifd/report.hpp"

namespace multifd {

/// What `--device file,KEY=VALUE,...` may say besides the common keys.
///
///     path=PATH           required. The source reads the file as the state; its size is taken when
///                         STOP_COPY is entered, and a file that is shorter then when it is read
///                         fails. The destination writes it: complete, or not at all.
///     config=PATH         the same for the config state, at most 1 MiB; without it the config
///                         state is empty, and a destination refuses one that is not
///     prealloc=on|off     whether a destination gets room on the disk for the size that its source
///                         has announced before that stops, and fails there when there is none;
///                         default on
///     state=running|stop  what the device is in at first; default running
struct FileOptions {
    Role role = Role::source;
    std::string path;
    std::string config_path;  ///< Empty: none.
    DeviceState initial_state = DeviceState::running;
    bool preallocate = true;
};

[[nodiscard]] std::span<const std::string_view> file_keys() noexcept;

/// Reads them, and looks whether the files can be read, or made; throws UsageError.
[[nodiscard]] FileOptions read_file_options(const OptionReader& reader, Role role);

/// A file that a destination's device puts in its place. Two with the same key are one file,
/// however their paths are spelled.
struct FileTarget {
    std::string path;
    std::string key;
};

/// What a device of these options will write: nothing at a source.
[[nodiscard]] std::vector<FileTarget> file_targets(const FileOptions& options);

/// A device that does nothing when it runs. The destination's file takes its place on the way from
/// RESUMING to STOP, which fails before load_config() was called, if only with nothing. Until the
/// device runs, reset() still brings back a file that was there; the config file takes its place
/// first, so a new state never stands beside an old config.
/// Threads:   as Device.
/// Blocking:  disk I/O, which interrupt() cannot end but for expect()'s.
/// Errors:    disk errors carry the system's code, and name the path.
class FileDevice : public Device {
  public:
    explicit FileDevice(FileOptions options);
    ~FileDevice() override;

    [[nodiscard]] std::vector<FileTarget> targets() const { return file_targets(options_); }
    [[nodiscard]] DeviceTraits traits() const noexcept override;
    [[nodiscard]] DeviceState state() override { return states_.current(); }
    CallResult set_state(DeviceState target) override;
    CallResult read(std::span<std::byte> target) override;
    CallResult expect(std::uint64_t bytes) override;
    CallResult write(std::span<const std::byte> source) override;
    CallResult save_config(std::vector<std::byte>& target) override;
    CallResult load_config(std::span<const std::byte> source) override;
    CallResult stop_copy_size() override;
    CallResult reset() override;
    void interrupt() noexcept override { interrupted_ = true; }

  private:
    CallResult step(DeviceState from, DeviceState target);
    CallResult open_source();
    void close_source() noexcept;
    CallResult begin_load();
    CallResult finish_load();
    void withdraw() noexcept;
    void settle() noexcept;
    [[nodiscard]] bool has_config() const noexcept { return !options_.config_path.empty(); }

    // Constant after construction.
    FileOptions options_;

    DeviceStates states_;
    std::atomic<bool> interrupted_ = false;  ///< Publishes nothing but itself.
    // The source's, in STOP_COPY.
    int file_ = -1;
    std::uint64_t bytes_ = 0;
    std::uint64_t position_ = 0;
    // The destination's.
    AtomicFile state_file_;
    AtomicFile config_file_;
    bool config_loaded_ = false;
};

}  // namespace multifd
