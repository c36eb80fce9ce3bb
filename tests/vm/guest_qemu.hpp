// QEMU inside the virtual machine, driven through its monitor.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.hpp"
#include "tests/support/report_reader.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd::vm {

/// A guest that is never run: it is there for its devices.
/// Ownership: ends QEMU.
/// Errors:    throws std::runtime_error, with what QEMU said, for what it refuses or does not
///            answer in time.
class GuestQemu {
  public:
    /// What a device needs to move its state over QEMU's channels, or over its main channel.
    enum class Transfer { channels, main_channel };

    /// `devices`: folders in sysfs; they get the PCI slots from 4 on, so that the first one is
    /// "0000:00:04.0/vfio" to the migration. `more` follows on the command line.
    GuestQemu(const std::vector<std::string>& devices, Transfer transfer,
              const std::vector<std::string>& more = {});
    ~GuestQemu();
    GuestQemu(const GuestQemu&) = delete;
    GuestQemu& operator=(const GuestQemu&) = delete;

    /// The name in the migration stream of the device at `index`.
    static std::string idstr(std::size_t index);

    /// Runs a monitor command and gives the whole answer; `arguments` is JSON.
    JsonReport execute(const std::string& command, const std::string& arguments = "{}");
    /// Capabilities and parameters that both ends must have alike.
    void prepare_migration(unsigned channels);
    /// Waits for an end by QEMU's events, and gives query-migrate's answer.
    JsonReport await_migration();
    /// Processor time up to now.
    [[nodiscard]] double cpu_seconds() const;
    [[nodiscard]] std::string said() const;

  private:
    [[nodiscard]] JsonReport next_message();

    TemporaryFolder folder_;
    std::unique_ptr<Process> process_;
    int monitor_ = -1;
    std::string received_;
    std::string last_status_;
};

}  // namespace multifd::vm
