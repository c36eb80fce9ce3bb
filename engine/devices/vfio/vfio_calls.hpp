// VfioCalls: the system calls that a VFIO device takes, so that tests can be the driver.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace multifd {

/// Errors:    every call gives minus errno when it fails; none throws.
/// Threads:   any, as the kernel's own.
class VfioCalls {
  public:
    virtual ~VfioCalls() = default;

    /// A descriptor, closed on exec.
    virtual int open(const std::string& path, int flags) = 0;
    /// `argument`: a pointer or a number, as the request wants it.
    virtual int ioctl(int fd, unsigned long request, std::uintptr_t argument) = 0;
    virtual std::ptrdiff_t read(int fd, std::span<std::byte> target) = 0;
    virtual std::ptrdiff_t write(int fd, std::span<const std::byte> source) = 0;
    virtual std::ptrdiff_t read_at(int fd, std::span<std::byte> target, std::uint64_t offset) = 0;
    virtual std::ptrdiff_t write_at(int fd, std::span<const std::byte> source,
                                    std::uint64_t offset) = 0;
    /// Waits until `fd` or `wake` is readable, or `fd` is broken. A file whose driver has no poll
    /// counts as readable.
    virtual int await_readable(int fd, int wake) = 0;
    virtual void close(int fd) = 0;
};

/// A structure as an ioctl's argument.
template <class T>
[[nodiscard]] std::uintptr_t ioctl_argument(T& structure) noexcept {
    return std::bit_cast<std::uintptr_t>(&structure);
}

/// Those of the kernel this runs on.
[[nodiscard]] std::shared_ptr<VfioCalls> kernel_vfio_calls();

/// Sole owner of a descriptor that came from `VfioCalls`; closes it there. Move-only.
class VfioDescriptor {
  public:
    VfioDescriptor() noexcept = default;
    VfioDescriptor(std::shared_ptr<VfioCalls> calls, int fd) noexcept
        : calls_(std::move(calls)), fd_(fd) {}
    ~VfioDescriptor() { close(); }
    VfioDescriptor(VfioDescriptor&& other) noexcept
        : calls_(std::move(other.calls_)), fd_(std::exchange(other.fd_, -1)) {}
    VfioDescriptor& operator=(VfioDescriptor&& other) noexcept {
        if (this == &other) return *this;
        close();
        calls_ = std::move(other.calls_);
        fd_ = std::exchange(other.fd_, -1);
        return *this;
    }
    VfioDescriptor(const VfioDescriptor&) = delete;
    VfioDescriptor& operator=(const VfioDescriptor&) = delete;

    [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int get() const noexcept { return fd_; }
    void close() noexcept {
        if (fd_ >= 0) calls_->close(std::exchange(fd_, -1));
    }

  private:
    std::shared_ptr<VfioCalls> calls_;
    int fd_ = -1;
};

/// The errno in the result of a call that failed.
[[nodiscard]] constexpr int errno_of(std::ptrdiff_t result) noexcept {
    return static_cast<int>(-result);
}

}  // namespace multifd
