#include "engine/devices/vfio_user/device_server.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <future>
#include <thread>

#include "tests/engine/devices/vfio_user/served_fixture.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd::vfio_user {
namespace {

constexpr std::chrono::seconds kHang{30};

/// While it lives no descriptor can be opened.
class NoDescriptors {
  public:
    NoDescriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const int next = ::dup(0);
        ::close(next);
        rlimit none = before_;
        none.rlim_cur = static_cast<rlim_t>(next);
        ::setrlimit(RLIMIT_NOFILE, &none);
    }
    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;

  private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("a client that there was no descriptor for is served later", "[vfio_user]") {
    const TemporaryFolder folder;
    const std::string path = folder / "s";
    test::Served served("size=4096");
    Interrupt stop;
    std::promise<void> starved;
    std::promise<void> came;
    bool has_come = false;
    std::size_t errors = 0;
    DeviceServer server(path, served.served, Interface::v2, stop,
                        [&](LogLevel level, const std::string&) {
                            if (level == LogLevel::error && errors++ == 0) starved.set_value();
                            if (level == LogLevel::info && !std::exchange(has_come, true))
                                came.set_value();
                        });
    std::thread thread([&] { server.run(); });
    const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    {
        const NoDescriptors none;
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
        CHECK(::connect(client, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
        CHECK(starved.get_future().wait_for(kHang) == std::future_status::ready);
    }
    CHECK(came.get_future().wait_for(kHang) == std::future_status::ready);
    stop.raise();
    thread.join();
    ::close(client);
    CHECK(errors == 1);
}

}  // namespace multifd::vfio_user
