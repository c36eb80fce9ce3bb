#include "engine/devices/vfio/vfio_calls.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <thread>

#include "channels/transport/interrupt.hpp"
#include "engine/devices/vfio/vfio_features.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

TEST_CASE("the kernel's calls give results, or minus errno", "[vfio]") {
    const TemporaryFolder folder;
    write_text(folder / "file", "0123456789");
    const auto calls = kernel_vfio_calls();
    const int fd = calls->open(folder / "file", O_RDWR);
    REQUIRE(fd >= 0);
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    std::array<std::byte, 4> piece{};
    CHECK(calls->read(fd, piece) == 4);
    CHECK(calls->read_at(fd, piece, 8) == 2);
    CHECK(piece[0] == std::byte{'8'});
    CHECK(calls->write_at(fd, piece, 0) == 4);
    CHECK(calls->write(fd, piece) == 4);
    CHECK(calls->ioctl(fd, 0, 0) == -ENOTTY);
    CHECK(calls->await_readable(fd, fd) > 0);
    calls->close(fd);
    CHECK(calls->read(fd, piece) == -EBADF);
    CHECK(calls->open(folder / "absent", O_RDWR) == -ENOENT);
}

TEST_CASE("a wait for data ends when it is interrupted", "[vfio]") {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const auto calls = kernel_vfio_calls();
    VfioDescriptor reader(calls, ends[0]);
    const VfioDescriptor writer(calls, ends[1]);
    Interrupt interrupt;
    std::thread other([&] { interrupt.raise(); });
    CHECK(calls->await_readable(reader.get(), interrupt.fd()) == 1);
    other.join();
    CHECK(interrupt.raised());
}

TEST_CASE("a descriptor is closed once, by its last owner", "[vfio]") {
    const auto calls = kernel_vfio_calls();
    const int fd = calls->open("/dev/null", O_RDONLY);
    {
        VfioDescriptor first(calls, fd);
        VfioDescriptor second = std::move(first);
        CHECK(second.get() == fd);
        CHECK(is_open(fd));
        second = VfioDescriptor();
        CHECK_FALSE(is_open(fd));
    }
    CHECK_FALSE(VfioDescriptor(calls, -ENOENT).is_open());
}

TEST_CASE("a file that is no VFIO device has none of its features", "[vfio]") {
    const auto calls = kernel_vfio_calls();
    const VfioDescriptor null(calls, calls->open("/dev/null", O_RDWR));
    const VfioFeatures features(*calls, null.get());
    CHECK(features.info().error == ENOTTY);
    CHECK(features.region(0).error == ENOTTY);
    CHECK(features.migration().error == ENOTTY);
    CHECK(features.state().error == ENOTTY);
    CHECK(features.set_state(DeviceState::stop).error == ENOTTY);
    CHECK(features.set_state(DeviceState::stop).value == -1);
    CHECK(features.data_size().error == ENOTTY);
    CHECK(features.reset() == ENOTTY);
    CHECK_FALSE(features.logs_dma());
    CHECK(features.stop_dma_logging() == ENOTTY);
    CHECK(features.pre_copy_sizes(null.get()).error == ENOTTY);
}

}  // namespace
}  // namespace multifd
