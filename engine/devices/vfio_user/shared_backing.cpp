#include "engine/devices/vfio_user/shared_backing.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace multifd::vfio_user {
namespace {

CallResult failure(const std::string& what, int error) {
    const std::error_code code(error, std::generic_category());
    return CallResult::failure(code, what + ": " + code.message());
}

}  // namespace

SharedBacking::SharedBacking(std::string path, std::vector<bool> runs)
    : path_(std::move(path)),
      file_(::open(path_.c_str(), O_RDWR | O_CLOEXEC)),
      ownership_(std::move(runs)) {
    if (!file_.is_open()) {
        throw std::system_error(errno, std::generic_category(), "shared backing " + path_);
    }
    if (!ownership_.held()) return;
    CallResult taken = take();
    if (!taken.ok()) throw std::system_error(taken.error, taken.detail);
}

CallResult SharedBacking::before_running(std::size_t device) {
    const std::lock_guard lock(mutex_);
    if (ownership_.before_running(device) == BackingOwnership::Step::take) {
        CallResult taken = take();
        if (!taken.ok()) return taken;
    }
    ownership_.runs(device);
    return CallResult::success();
}

CallResult SharedBacking::stopped(std::size_t device) {
    const std::lock_guard lock(mutex_);
    const bool release_now = ownership_.stopped(device) == BackingOwnership::Step::release;
    return release_now ? release() : CallResult::success();
}

bool SharedBacking::held() const {
    const std::lock_guard lock(mutex_);
    return ownership_.held();
}

CallResult SharedBacking::take() {
    while (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) return failure("the shared backing " + path_, errno);
        return CallResult::failure(std::errc::resource_unavailable_try_again,
                                   "another process has the shared backing " + path_);
    }
    return CallResult::success();
}

CallResult SharedBacking::release() {
    // Released in any case: a file that cannot be flushed is no reason to keep the other end out.
    const int flushed = ::fsync(file_.get()) == 0 ? 0 : errno;
    if (::flock(file_.get(), LOCK_UN) != 0) return failure("releasing " + path_, errno);
    return flushed == 0 || flushed == EINVAL ? CallResult::success()
                                             : failure("flushing " + path_, flushed);
}

}  // namespace multifd::vfio_user
