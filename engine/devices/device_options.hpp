// Devices as users describe them, and the factory that makes them.
#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "multifd/report.hpp"
#include "multifd/settings.hpp"

namespace multifd {

/// A description that cannot be carried out. what() is one line that names the key, the value and
/// what is allowed.
class UsageError : public std::invalid_argument {
  public:
    using std::invalid_argument::invalid_argument;
};

/// One device as it was written on a command line or in a file; nothing has been checked yet but
/// its form.
struct DeviceSpec {
    std::string kind;                                         ///< "memory", "file", "vfio-user".
    std::vector<std::pair<std::string, std::string>> values;  ///< In the order written.
};

/// Reads "KIND,key=value,..." as QEMU writes options: a comma in a value is doubled, the first
/// element may say "kind=KIND", a key without "=" means "=on". Throws UsageError.
[[nodiscard]] DeviceSpec parse_device_spec(std::string_view text);

/// The kinds make_device() knows.
[[nodiscard]] std::span<const std::string_view> device_kinds() noexcept;

/// Makes the device. Keys common to all kinds are `idstr` (required), `instance-id` (default 0) and
/// `multifd=on|off|auto` (default auto); memory_options.hpp, file_device.hpp and
/// vfio_user_device.hpp list the others. Throws UsageError, also for what can be seen to be
/// impossible now: a missing file, too little memory, a server that does not answer.
[[nodiscard]] DeviceEntry make_device(const DeviceSpec& spec, Role role);

/// Throws UsageError when two of these devices would write the same file, under whatever paths; it
/// names both, and the path.
void check_distinct_files(std::span<const DeviceEntry> devices);

/// What killed runs left beside the files that these devices will write, in lines for people: what
/// was worthless has been removed, what somebody may want back is named.
[[nodiscard]] std::vector<std::string> clear_leftovers(std::span<const DeviceEntry> devices);

}  // namespace multifd
