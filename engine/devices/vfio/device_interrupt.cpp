#include "engine/devices/vfio/device_interrupt.hpp"

#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace multifd {

DeviceInterrupt::DeviceInterrupt() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!event_.is_open()) throw std::system_error(errno, std::system_category(), "eventfd");
}

void DeviceInterrupt::raise() noexcept {
    raised_ = true;
    const std::uint64_t one = 1;
    // The counter can only saturate, which leaves it readable.
    [[maybe_unused]] const auto written = ::write(event_.get(), &one, sizeof one);
}

void DeviceInterrupt::clear() noexcept {
    raised_ = false;
    std::uint64_t count = 0;
    [[maybe_unused]] const auto read = ::read(event_.get(), &count, sizeof count);
}

}  // namespace multifd
