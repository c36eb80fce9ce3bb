// What a user may choose for serve-device.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/devices/vfio_user/interface.hpp"
#include "multifd/report.hpp"

namespace multifd {

struct ServeChoices {
    std::vector<std::string> sockets;  ///< One for each device, in their order.
    vfio_user::Interface interface = vfio_user::Interface::v2;
    Role role = Role::source;
    std::string backing;                 ///< Empty for none.
    std::size_t chunk_size = 64 * 1024;  ///< Of the migration buffer.
};

}  // namespace multifd
