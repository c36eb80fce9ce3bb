#include "engine/devices/vfio/vfio_attachment.hpp"

#include <fcntl.h>

#include <bit>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "engine/devices/vfio/vfio_uapi.hpp"

namespace multifd {
namespace {

[[noreturn]] void refuse(const std::string& step, int error, std::string_view advice) {
    std::string line = step + ": " + std::generic_category().message(error);
    if (!advice.empty()) line.append("; ").append(advice);
    throw std::runtime_error(line);
}

std::string_view advice_for_open(int error) noexcept {
    switch (error) {
        case EBUSY:
            return "another process has it, or another device of its group is in use here";
        case EACCES:
        case EPERM:
            return "run as root, or give this user the node";
        case ENOENT:
            return "load the vfio modules (modprobe vfio_iommu_type1)";
        default:
            return "";
    }
}

VfioDescriptor open_node(const std::shared_ptr<VfioCalls>& calls, const std::string& path) {
    const int fd = calls->open(path, O_RDWR);
    if (fd < 0) refuse("cannot open " + path, errno_of(fd), advice_for_open(errno_of(fd)));
    return {calls, fd};
}

void require(int result, const std::string& step, std::string_view advice = "") {
    if (result < 0) refuse(step, errno_of(result), advice);
}

void attach_by_cdev(const std::shared_ptr<VfioCalls>& calls, const VfioLocation& location,
                    VfioAttachment& attachment) {
    attachment.iommu = open_node(calls, location.iommufd);
    attachment.device = open_node(calls, location.cdev);
    const int device = attachment.device.get();
    vfio_uapi::BindIommufd bind;
    bind.iommufd = attachment.iommu.get();
    require(calls->ioctl(device, vfio_uapi::kBindIommufd, ioctl_argument(bind)),
            location.cdev + " cannot be bound to " + location.iommufd,
            "all devices of its group must be bound to VFIO drivers, and no one else may use it");
    vfio_uapi::AllocateAddressSpace space;
    require(calls->ioctl(attachment.iommu.get(), vfio_uapi::kAllocateAddressSpace,
                         ioctl_argument(space)),
            location.iommufd + " gives no address space");
    vfio_uapi::AttachIommufd attach;
    attach.page_table_id = space.address_space_id;
    require(calls->ioctl(device, vfio_uapi::kAttachIommufd, ioctl_argument(attach)),
            location.cdev + " cannot be attached to an address space");
}

void attach_by_group(const std::shared_ptr<VfioCalls>& calls, const VfioLocation& location,
                     const std::string& container, VfioAttachment& attachment) {
    attachment.iommu = open_node(calls, container);
    attachment.group = open_node(calls, location.group);
    const int group = attachment.group.get();
    vfio_group_status status{};
    status.argsz = sizeof status;
    require(calls->ioctl(group, VFIO_GROUP_GET_STATUS, ioctl_argument(status)),
            location.group + " does not tell its status");
    if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0) {
        refuse(location.group + " is not viable", EPERM,
               "bind all devices of the group to VFIO drivers, or to none");
    }
    std::int32_t iommu = attachment.iommu.get();
    require(calls->ioctl(group, VFIO_GROUP_SET_CONTAINER, ioctl_argument(iommu)),
            location.group + " cannot be put into a container");
    require(calls->ioctl(iommu, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU),
            container + " takes no type 1 IOMMU", "modprobe vfio_iommu_type1");
    const int device = calls->ioctl(group, VFIO_GROUP_GET_DEVICE_FD,
                                    std::bit_cast<std::uintptr_t>(location.name.c_str()));
    require(device, location.group + " does not give " + location.name);
    attachment.device = VfioDescriptor(calls, device);
}

}  // namespace

VfioAttachment attach_vfio(const std::shared_ptr<VfioCalls>& calls, const VfioLocation& location) {
    VfioAttachment attachment;
    attachment.name = location.name;
    if (!location.cdev.empty()) {
        attachment.interface = VfioInterface::cdev;
        attach_by_cdev(calls, location, attachment);
    } else {
        attachment.interface = VfioInterface::group;
        // The container's node stands beside the groups'.
        const std::string folder = location.group.substr(0, location.group.rfind('/'));
        attach_by_group(calls, location, folder + "/vfio", attachment);
    }
    return attachment;
}

std::string_view to_string(VfioInterface interface) noexcept {
    switch (interface) {
        case VfioInterface::cdev:
            return "cdev";
        case VfioInterface::group:
            return "group";
        case VfioInterface::descriptor:
            return "descriptor";
    }
    return "unknown";
}

}  // namespace multifd
