#include "engine/devices/vfio/vfio_calls.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace multifd {
namespace {

std::ptrdiff_t outcome(std::ptrdiff_t result) noexcept {
    return result < 0 ? -errno : result;
}

class KernelCalls final : public VfioCalls {
  public:
    int open(const std::string& path, int flags) override {
        return static_cast<int>(outcome(::open(path.c_str(), flags | O_CLOEXEC)));
    }

    int ioctl(int fd, unsigned long request, std::uintptr_t argument) override {
        return static_cast<int>(outcome(::ioctl(fd, request, argument)));
    }

    std::ptrdiff_t read(int fd, std::span<std::byte> target) override {
        return outcome(::read(fd, target.data(), target.size()));
    }

    std::ptrdiff_t write(int fd, std::span<const std::byte> source) override {
        return outcome(::write(fd, source.data(), source.size()));
    }

    std::ptrdiff_t read_at(int fd, std::span<std::byte> target, std::uint64_t offset) override {
        return outcome(::pread(fd, target.data(), target.size(), static_cast<off_t>(offset)));
    }

    std::ptrdiff_t write_at(int fd, std::span<const std::byte> source,
                            std::uint64_t offset) override {
        return outcome(::pwrite(fd, source.data(), source.size(), static_cast<off_t>(offset)));
    }

    int await_readable(int fd, int wake) override {
        std::array<pollfd, 2> waits{{{fd, POLLIN, 0}, {wake, POLLIN, 0}}};
        return static_cast<int>(outcome(::poll(waits.data(), waits.size(), -1)));
    }

    void close(int fd) override { ::close(fd); }
};

}  // namespace

std::shared_ptr<VfioCalls> kernel_vfio_calls() {
    return std::make_shared<KernelCalls>();
}

}  // namespace multifd
