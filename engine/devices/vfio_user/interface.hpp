// Interface: how a vfio-user server lets clients move a device's state.
#pragma once

namespace multifd::vfio_user {

enum class Interface {
    v2,  ///< VFIO migration v2: features, MIG_DATA_READ and MIG_DATA_WRITE.
    v1,  ///< The migration region that was before it.
};

}  // namespace multifd::vfio_user
