#include "engine/devices/vfio/vfio_features.hpp"

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <vector>

#include "engine/devices/vfio/vfio_uapi.hpp"

namespace multifd {
namespace {

template <class T>
std::span<std::byte> bytes_of(T& value) noexcept {
    return std::as_writable_bytes(std::span(&value, 1));
}

constexpr std::size_t kFeatureHeaderBytes = sizeof(vfio_device_feature);
/// The largest payload is that of a DMA log's report.
constexpr std::size_t kPayloadBytesMax = sizeof(vfio_device_feature_dma_logging_report);

}  // namespace

int VfioFeatures::feature(std::uint32_t flags, std::span<std::byte> payload) const {
    alignas(8) std::array<std::byte, kFeatureHeaderBytes + kPayloadBytesMax> message{};
    const auto size = static_cast<std::uint32_t>(kFeatureHeaderBytes + payload.size());
    std::memcpy(message.data() + offsetof(vfio_device_feature, argsz), &size, sizeof size);
    std::memcpy(message.data() + offsetof(vfio_device_feature, flags), &flags, sizeof flags);
    if (!payload.empty()) {
        std::memcpy(message.data() + kFeatureHeaderBytes, payload.data(), payload.size());
    }
    const int result = calls_.ioctl(device_, VFIO_DEVICE_FEATURE, ioctl_argument(message));
    if (result < 0) return errno_of(result);
    if (!payload.empty()) {
        std::memcpy(payload.data(), message.data() + kFeatureHeaderBytes, payload.size());
    }
    return 0;
}

VfioAnswer<VfioDeviceInfo> VfioFeatures::info() const {
    vfio_device_info about{};
    about.argsz = sizeof about;
    const int result = calls_.ioctl(device_, VFIO_DEVICE_GET_INFO, ioctl_argument(about));
    if (result < 0) return {{}, errno_of(result)};
    return {{.pci = (about.flags & VFIO_DEVICE_FLAGS_PCI) != 0,
             .reset = (about.flags & VFIO_DEVICE_FLAGS_RESET) != 0,
             .regions = about.num_regions}};
}

VfioAnswer<VfioRegion> VfioFeatures::region(std::uint32_t index) const {
    vfio_region_info about{};
    about.argsz = sizeof about;
    about.index = index;
    const int result = calls_.ioctl(device_, VFIO_DEVICE_GET_REGION_INFO, ioctl_argument(about));
    if (result < 0) return {{}, errno_of(result)};
    return {{.size = about.size, .offset = about.offset}};
}

VfioAnswer<VfioMigrationSupport> VfioFeatures::migration() const {
    vfio_device_feature_migration about{};
    const int error =
        feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION, bytes_of(about));
    if (error != 0) return {{}, error};
    return {{.stop_copy = (about.flags & VFIO_MIGRATION_STOP_COPY) != 0,
             .p2p = (about.flags & VFIO_MIGRATION_P2P) != 0,
             .pre_copy = (about.flags & vfio_uapi::kMigrationPreCopy) != 0}};
}

VfioAnswer<DeviceState> VfioFeatures::state() const {
    vfio_device_feature_mig_state about{};
    const int error =
        feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, bytes_of(about));
    if (error != 0) return {DeviceState::error, error};
    const bool known = about.device_state <= static_cast<std::uint32_t>(DeviceState::pre_copy_p2p);
    if (!known) return {DeviceState::error, EPROTO};
    return {static_cast<DeviceState>(about.device_state)};
}

VfioAnswer<int> VfioFeatures::set_state(DeviceState target) const {
    vfio_device_feature_mig_state wish{};
    wish.device_state = static_cast<std::uint32_t>(target);
    wish.data_fd = -1;
    const int error =
        feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, bytes_of(wish));
    if (error != 0) return {-1, error};
    return {wish.data_fd};
}

VfioAnswer<std::uint64_t> VfioFeatures::data_size() const {
    std::uint64_t size = 0;
    const int error =
        feature(VFIO_DEVICE_FEATURE_GET | vfio_uapi::kFeatureMigrationDataSize, bytes_of(size));
    return {size, error};
}

int VfioFeatures::reset() const {
    const int result = calls_.ioctl(device_, VFIO_DEVICE_RESET, 0);
    return result < 0 ? errno_of(result) : 0;
}

bool VfioFeatures::logs_dma() const {
    constexpr std::uint32_t kProbe =
        VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
    return feature(kProbe, {}) == 0;
}

VfioAnswer<std::uint64_t> VfioFeatures::start_dma_logging(std::uint64_t page_size,
                                                          std::span<const DmaRange> ranges) const {
    std::vector<vfio_device_feature_dma_logging_range> wanted;
    wanted.reserve(ranges.size());
    for (const DmaRange& range : ranges) wanted.push_back({range.iova, range.size});
    vfio_device_feature_dma_logging_control control{};
    control.page_size = page_size;
    control.num_ranges = static_cast<std::uint32_t>(wanted.size());
    control.ranges = std::bit_cast<std::uintptr_t>(wanted.data());
    const int error =
        feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, bytes_of(control));
    return {control.page_size, error};
}

int VfioFeatures::report_dma_logging(DmaRange range, std::uint64_t page_size,
                                     std::span<std::uint64_t> bitmap) const {
    vfio_device_feature_dma_logging_report report{};
    report.iova = range.iova;
    report.length = range.size;
    report.page_size = page_size;
    report.bitmap = std::bit_cast<std::uintptr_t>(bitmap.data());
    return feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT,
                   bytes_of(report));
}

int VfioFeatures::stop_dma_logging() const {
    return feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, {});
}

VfioAnswer<PreCopySizes> VfioFeatures::pre_copy_sizes(int data) const {
    vfio_uapi::PreCopyInfo about;
    const int result = calls_.ioctl(data, vfio_uapi::kGetPreCopyInfo, ioctl_argument(about));
    if (result < 0) return {{}, errno_of(result)};
    return {{.initial_bytes = about.initial_bytes, .dirty_bytes = about.dirty_bytes}};
}

}  // namespace multifd
