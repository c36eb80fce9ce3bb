#include "channels/transport/interrupt.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace multifd {

Interrupt::Interrupt() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (fd_ < 0) throw std::system_error(errno, std::system_category(), "eventfd");
}

Interrupt::~Interrupt() {
    ::close(fd_);
}

void Interrupt::raise() noexcept {
    // The counter can only saturate, which leaves it readable.
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd_, &one, sizeof one);
}

void Interrupt::lower() noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto taken = ::read(fd_, &count, sizeof count);
}

bool Interrupt::raised() const noexcept {
    pollfd watched{fd_, POLLIN, 0};
    return ::poll(&watched, 1, 0) == 1;
}

}  // namespace multifd
