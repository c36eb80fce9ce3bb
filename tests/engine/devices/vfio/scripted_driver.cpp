#include "tests/engine/devices/vfio/scripted_driver.hpp"

#include <poll.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/devices/vfio/vfio_uapi.hpp"

namespace multifd::test {
namespace {

constexpr std::uint64_t kConfigOffset = 7ULL << 40U;

template <class T>
T& at(std::uintptr_t address) {
    return *std::bit_cast<T*>(address);
}

template <class T>
T load(const std::byte* from) {
    T value{};
    std::memcpy(&value, from, sizeof value);
    return value;
}

template <class T>
void store(std::byte* target, const T& value) {
    std::memcpy(target, &value, sizeof value);
}

bool saves(DeviceState state) {
    return state == DeviceState::pre_copy || state == DeviceState::pre_copy_p2p ||
           state == DeviceState::stop_copy;
}

}  // namespace

ScriptedDriver::ScriptedDriver(DriverHabits given) : habits(given), config_space(256) {}

int ScriptedDriver::open(const std::string& path, int /*flags*/) {
    opened.push_back(path);
    const auto error = open_errors.find(path);
    return error != open_errors.end() ? -error->second : next_fd_++;
}

int ScriptedDriver::attach(unsigned long request, std::uintptr_t argument) {
    switch (request) {
        case VFIO_GROUP_GET_STATUS:
            at<vfio_group_status>(argument).flags = group_viable ? VFIO_GROUP_FLAGS_VIABLE : 0;
            return 0;
        case VFIO_GROUP_SET_CONTAINER:
            attached.emplace_back("set-container");
            return 0;
        case VFIO_SET_IOMMU:
            attached.push_back("set-iommu " + std::to_string(argument));
            return 0;
        case VFIO_GROUP_GET_DEVICE_FD:
            attached.push_back("get-device " + std::string(std::bit_cast<const char*>(argument)));
            return kDevice;
        case vfio_uapi::kBindIommufd:
            attached.emplace_back("bind-iommufd");
            return -bind_error;
        case vfio_uapi::kAllocateAddressSpace:
            attached.emplace_back("allocate");
            at<vfio_uapi::AllocateAddressSpace>(argument).address_space_id = 77;
            return 0;
        case vfio_uapi::kAttachIommufd:
            attached.push_back(
                "attach " + std::to_string(at<vfio_uapi::AttachIommufd>(argument).page_table_id));
            return 0;
        default:
            return -ENOTTY;
    }
}

int ScriptedDriver::ioctl(int /*fd*/, unsigned long request, std::uintptr_t argument) {
    switch (request) {
        case VFIO_DEVICE_GET_INFO:
            at<vfio_device_info>(argument).flags = habits.pci ? VFIO_DEVICE_FLAGS_PCI : 0;
            at<vfio_device_info>(argument).num_regions = VFIO_PCI_NUM_REGIONS;
            return 0;
        case VFIO_DEVICE_GET_REGION_INFO:
            at<vfio_region_info>(argument).size = config_space.size();
            at<vfio_region_info>(argument).offset = kConfigOffset;
            return 0;
        case VFIO_DEVICE_RESET:
            if (habits.reset_error != 0) return -habits.reset_error;
            state = habits.after_reset;
            return 0;
        case VFIO_DEVICE_FEATURE:
            return feature(std::bit_cast<std::byte*>(argument));
        case vfio_uapi::kGetPreCopyInfo:
            at<vfio_uapi::PreCopyInfo>(argument).initial_bytes = pre_copy_data.size();
            at<vfio_uapi::PreCopyInfo>(argument).dirty_bytes = 5;
            return 0;
        default:
            return attach(request, argument);
    }
}

int ScriptedDriver::feature(std::byte* message) {
    const auto flags = load<std::uint32_t>(message + offsetof(vfio_device_feature, flags));
    std::byte* payload = message + sizeof(vfio_device_feature);
    const bool set = (flags & VFIO_DEVICE_FEATURE_SET) != 0;
    switch (flags & VFIO_DEVICE_FEATURE_MASK) {
        case VFIO_DEVICE_FEATURE_MIGRATION: {
            if (!habits.migration) return -ENOTTY;
            std::uint64_t offers = VFIO_MIGRATION_STOP_COPY;
            if (habits.p2p) offers |= VFIO_MIGRATION_P2P;
            if (habits.pre_copy) offers |= vfio_uapi::kMigrationPreCopy;
            store(payload, offers);
            return 0;
        }
        case VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE: {
            auto about = load<vfio_device_feature_mig_state>(payload);
            int result = -habits.state_error;
            if (set)
                result = set_state(static_cast<DeviceState>(about.device_state), about.data_fd);
            if (!set) about.device_state = static_cast<std::uint32_t>(state);
            store(payload, about);
            return result;
        }
        case vfio_uapi::kFeatureMigrationDataSize:
            if (!habits.data_size) return -ENOTTY;
            store(payload, std::uint64_t{stop_copy_data.size()});
            return 0;
        case VFIO_DEVICE_FEATURE_DMA_LOGGING_START:
            if (!habits.dma_logging) return -ENOTTY;
            if ((flags & VFIO_DEVICE_FEATURE_PROBE) != 0) return 0;
            logged_page_ = load<vfio_device_feature_dma_logging_control>(payload).page_size;
            return 0;
        case VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT: {
            if (logged_page_ == 0) return -EINVAL;
            const auto report = load<vfio_device_feature_dma_logging_report>(payload);
            auto* words = std::bit_cast<std::uint64_t*>(std::uintptr_t{report.bitmap});
            for (const auto page : dirty_pages) {
                const auto bit = (page - report.iova) / report.page_size;
                words[bit / 64] |= std::uint64_t{1} << (bit % 64);
            }
            dirty_pages.clear();
            return 0;
        }
        case VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP:
            return std::exchange(logged_page_, 0) != 0 ? 0 : -EINVAL;
        default:
            return -ENOTTY;
    }
}

int ScriptedDriver::set_state(DeviceState target, int& data_fd) {
    data_fd = -1;
    if (habits.failure && habits.failure->target == target) {
        state = habits.failure->left_in.value_or(state);
        return -habits.failure->error;
    }
    const OptionalStates options{.p2p = habits.p2p, .pre_copy = habits.pre_copy};
    if (next_state(options, state, target) != target) return -EINVAL;
    if (habits.lies) return 0;
    const bool begins = (saves(target) && !saves(state)) || target == DeviceState::resuming;
    if (begins && !(habits.forgets_data_fd && target == DeviceState::stop_copy)) {
        data_fd = next_fd_++;
    }
    if (habits.extra_data_fd && target == DeviceState::stop_copy && saves(state)) {
        data_fd = next_fd_++;
    }
    if (data_fd >= 0) open_data.insert(data_fd);
    state = target;
    visited.push_back(target);
    return 0;
}

std::ptrdiff_t ScriptedDriver::read(int fd, std::span<std::byte> target) {
    if (habits.interruptions > 0 && habits.interruptions-- > 0) return -EINTR;
    if (!open_data.contains(fd)) return -EBADF;
    const bool stopped = state == DeviceState::stop_copy;
    Bytes& from = pre_copy_data.empty() && stopped ? stop_copy_data : pre_copy_data;
    if (from.empty() && !stopped) return -habits.pre_copy_end;
    const auto count = std::min({target.size(), from.size(), habits.read_max});
    std::copy_n(from.begin(), count, target.begin());
    from.erase(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
    return static_cast<std::ptrdiff_t>(count);
}

std::ptrdiff_t ScriptedDriver::write(int fd, std::span<const std::byte> source) {
    if (habits.interruptions > 0 && habits.interruptions-- > 0) return -EINTR;
    if (!open_data.contains(fd)) return -EBADF;
    const auto count = std::min(source.size(), habits.write_max);
    taken.insert(taken.end(), source.begin(), source.begin() + static_cast<std::ptrdiff_t>(count));
    return static_cast<std::ptrdiff_t>(count);
}

std::ptrdiff_t ScriptedDriver::read_at(int fd, std::span<std::byte> target, std::uint64_t offset) {
    if (fd != kDevice || offset < kConfigOffset) return -EINVAL;
    const auto begin = offset - kConfigOffset;
    const auto count = std::min({target.size(), config_space.size() - begin, habits.read_max});
    std::copy_n(config_space.begin() + static_cast<std::ptrdiff_t>(begin), count, target.begin());
    return static_cast<std::ptrdiff_t>(count);
}

std::ptrdiff_t ScriptedDriver::write_at(int fd, std::span<const std::byte> source,
                                        std::uint64_t offset) {
    if (fd != kDevice || offset < kConfigOffset) return -EINVAL;
    config_writes.emplace_back(offset - kConfigOffset, Bytes(source.begin(), source.end()));
    return static_cast<std::ptrdiff_t>(source.size());
}

int ScriptedDriver::await_readable(int fd, int wake) {
    if (!open_data.contains(fd)) return -EBADF;
    if (!habits.never_ready) return 1;
    pollfd woken{wake, POLLIN, 0};
    // A test that never wakes it fails here instead of hanging.
    return ::poll(&woken, 1, 10'000) == 1 ? 1 : -ETIMEDOUT;
}

void ScriptedDriver::close(int fd) {
    if (fd == kDevice) device_open = false;
    open_data.erase(fd);
}

}  // namespace multifd::test
