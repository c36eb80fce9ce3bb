// make_vfio_device(): a device that the embedding program has opened.
#include <fcntl.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "engine/devices/vfio/vfio_device.hpp"
#include "multifd/vfio.hpp"

namespace multifd {

std::shared_ptr<Device> make_vfio_device(int descriptor, const VfioDeviceOptions& options) {
    const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (copy < 0 && errno == EBADF) {
        throw std::invalid_argument(options.name + ": its descriptor is not open");
    }
    if (copy < 0) throw std::system_error(errno, std::generic_category(), options.name);
    const auto calls = kernel_vfio_calls();
    VfioAttachment attachment;
    attachment.name = options.name;
    attachment.device = VfioDescriptor(calls, copy);
    try {
        return std::make_shared<VfioDevice>(
            calls, std::move(attachment),
            VfioSettings{.config = options.config ? VfioConfig::automatic : VfioConfig::off});
    } catch (const std::runtime_error& error) {
        throw std::invalid_argument(error.what());
    }
}

}  // namespace multifd
