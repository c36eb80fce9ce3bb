#include "engine/devices/vfio_user/migration_region.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace multifd::vfio_user {
namespace {

constexpr std::uint32_t kRunning = 1;
constexpr std::uint32_t kSaving = 2;
constexpr std::uint32_t kResuming = 4;

constexpr std::uint64_t kDeviceState = 0;
constexpr std::uint64_t kReserved = 4;
constexpr std::uint64_t kPendingBytes = 8;
constexpr std::uint64_t kDataOffsetRegister = 16;
constexpr std::uint64_t kDataSize = 24;

CallResult refused(std::string what) {
    return CallResult::failure(std::errc::invalid_argument, std::move(what));
}

template <class T>
CallResult give(std::span<std::byte> target, T value) {
    if (target.size() != sizeof value) return refused("a register is read as a whole");
    std::memcpy(target.data(), &value, sizeof value);
    return CallResult::success(sizeof value);
}

template <class T>
std::optional<T> taken(ConstBytes source) {
    T value = 0;
    if (source.size() != sizeof value) return std::nullopt;
    std::memcpy(&value, source.data(), sizeof value);
    return value;
}

bool within_window(std::uint64_t offset, std::size_t size) {
    return offset >= MigrationRegion::kDataOffset && offset <= MigrationRegion::kBytes &&
           size <= MigrationRegion::kBytes - offset;
}

}  // namespace

std::uint32_t state_bits(DeviceState state) noexcept {
    switch (state) {
        case DeviceState::error:
            return kSaving | kResuming;
        case DeviceState::stop:
            return 0;
        case DeviceState::running:
        case DeviceState::running_p2p:
            return kRunning;
        case DeviceState::stop_copy:
            return kSaving;
        case DeviceState::resuming:
            return kResuming;
        case DeviceState::pre_copy:
        case DeviceState::pre_copy_p2p:
            return kRunning | kSaving;
    }
    return kSaving | kResuming;  // A number that is no state.
}

std::optional<DeviceState> state_of_bits(std::uint32_t bits) noexcept {
    switch (bits) {
        case 0:
            return DeviceState::stop;
        case kRunning:
            return DeviceState::running;
        case kSaving:
            return DeviceState::stop_copy;
        case kRunning | kSaving:
            return DeviceState::pre_copy;
        case kResuming:
            return DeviceState::resuming;
        default:
            return std::nullopt;
    }
}

CallResult MigrationRegion::read(std::uint64_t offset, std::span<std::byte> target) {
    if (offset < kDataOffset) return read_register(offset, target);
    if (!within_window(offset, target.size())) return refused("a read past the region's end");
    const std::uint64_t first = offset - kDataOffset;
    if (resumes() || !offered_ || first + target.size() > window_.size()) {
        return refused("a read of " + std::to_string(target.size()) + " bytes at " +
                       std::to_string(first) + " of the window, which holds " +
                       std::to_string(offered_ && !resumes() ? window_.size() : 0));
    }
    std::copy_n(window_.begin() + static_cast<std::ptrdiff_t>(first), target.size(),
                target.begin());
    fetched_ = fetched_ || !target.empty();
    return CallResult::success(target.size());
}

CallResult MigrationRegion::write(std::uint64_t offset, ConstBytes source) {
    if (offset < kDataOffset) return write_register(offset, source);
    if (!resumes()) return refused("data is written while the device resumes");
    if (!within_window(offset, source.size())) return refused("a write past the region's end");
    const auto first = static_cast<std::size_t>(offset - kDataOffset);
    if (first > window_.size()) {
        return refused("a write at " + std::to_string(first) +
                       " of the window leaves a gap after " + std::to_string(window_.size()));
    }
    window_.resize(std::max(window_.size(), first + source.size()));
    std::ranges::copy(source, window_.begin() + static_cast<std::ptrdiff_t>(first));
    return CallResult::success(source.size());
}

CallResult MigrationRegion::read_register(std::uint64_t offset, std::span<std::byte> target) {
    switch (offset) {
        case kDeviceState:
            return give(target, state_bits(device_.state()));
        case kReserved:
            return give(target, std::uint32_t{0});
        case kPendingBytes: {
            std::uint64_t pending = 0;
            if (target.size() != sizeof pending) return give(target, pending);
            CallResult read = read_pending_bytes(pending);
            return read.ok() ? give(target, pending) : read;
        }
        case kDataOffsetRegister:
            return offer(target, kDataOffset);
        case kDataSize:
            return offer(target, window_.size());
        default:
            return refused("no register at " + std::to_string(offset) + " of the migration region");
    }
}

CallResult MigrationRegion::offer(std::span<std::byte> target, std::uint64_t value) {
    CallResult given = give(target, value);
    offered_ = offered_ || given.ok();
    return given;
}

// Reading it takes the next data into the window, once the client has read of what is there.
CallResult MigrationRegion::read_pending_bytes(std::uint64_t& value) {
    const DeviceState state = device_.state();
    value = 0;
    if (state != DeviceState::stop_copy && state != DeviceState::pre_copy) {
        return CallResult::success();
    }
    if (fetched_ || window_.empty()) {
        Bytes next(kWindowBytes);
        CallResult got = device_.read(next);
        if (!got.ok()) return got;
        next.resize(static_cast<std::size_t>(got.value));
        window_ = std::move(next);
        offered_ = fetched_ = false;
    }
    CallResult left = device_.pending_bytes();
    if (!left.ok()) return left;
    // The state's size is an estimate; the window's is not.
    value = window_.empty() ? 0 : window_.size() + left.value;
    return CallResult::success();
}

CallResult MigrationRegion::write_register(std::uint64_t offset, ConstBytes source) {
    if (offset == kDeviceState) {
        const auto bits = taken<std::uint32_t>(source);
        return bits ? set_state(*bits) : refused("device_state has 4 bytes");
    }
    if (offset == kReserved) return CallResult::success(source.size());
    if (offset == kDataSize && resumes()) {
        const auto size = taken<std::uint64_t>(source);
        return size ? hand_over(*size) : refused("data_size has 8 bytes");
    }
    return refused("the register at " + std::to_string(offset) +
                   " of the migration region cannot be written in state " +
                   std::string(to_string(device_.state())));
}

CallResult MigrationRegion::set_state(std::uint32_t bits) {
    const auto target = state_of_bits(bits);
    if (!target) return refused("device_state " + std::to_string(bits) + " is no state");
    const DeviceState before = device_.state();
    CallResult changed = device_.set_state(*target);
    // What pre-copy has put into the window is still to be read after the stop.
    const bool goes_on = before == DeviceState::pre_copy && *target == DeviceState::stop_copy;
    if (device_.state() != before && !goes_on) {
        window_.clear();
        offered_ = fetched_ = false;
    }
    return changed;
}

CallResult MigrationRegion::hand_over(std::uint64_t size) {
    if (size > window_.size()) {
        return refused("data_size " + std::to_string(size) + " is more than the " +
                       std::to_string(window_.size()) + " bytes that were written");
    }
    CallResult written = device_.write(std::span(window_).first(static_cast<std::size_t>(size)));
    if (written.ok()) window_.clear();
    return written;
}

}  // namespace multifd::vfio_user
