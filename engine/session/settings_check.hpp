// What settings and devices must be like before a session begins.
#pragma once

#include <vector>

#include "multifd/settings.hpp"

namespace multifd {

// Throw std::invalid_argument with one line that names the setting, its value and its range.
void check(const SourceSettings& settings, const std::vector<DeviceEntry>& devices);
void check(const DestinationSettings& settings, const std::vector<DeviceEntry>& devices);
void check(const ListenerSettings& settings);

}  // namespace multifd
