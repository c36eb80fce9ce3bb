// The keys of `--device vfio,...`, and a VFIO device made from them.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "engine/devices/option_reader.hpp"
#include "engine/devices/vfio/vfio_calls.hpp"
#include "engine/devices/vfio/vfio_location.hpp"

namespace multifd {

[[nodiscard]] std::span<const std::string_view> vfio_keys() noexcept;

/// Where the device is: one of `host`, `sysfsdev` and `cdev`. Throws UsageError.
[[nodiscard]] VfioLocation read_vfio_location(const OptionReader& reader,
                                              const VfioRoots& roots = {});

/// Opens the device. Throws UsageError, also when it cannot migrate.
[[nodiscard]] std::shared_ptr<Device> open_vfio_device(const OptionReader& reader,
                                                       const std::shared_ptr<VfioCalls>& calls,
                                                       const VfioRoots& roots = {});

}  // namespace multifd
