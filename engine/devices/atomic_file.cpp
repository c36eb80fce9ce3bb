#include "engine/devices/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <utility>

#include "engine/devices/hidden_files.hpp"

namespace multifd {
namespace {

constexpr std::uint64_t kReservedAtOnce = 16U << 20U;
constexpr std::chrono::milliseconds kReservingMax{50};

/// What its file system has left for this user; empty when it does not say.
std::optional<std::uint64_t> free_bytes(int file) noexcept {
    struct statvfs about {};
    if (::fstatvfs(file, &about) != 0 || about.f_blocks == 0) return std::nullopt;
    // Some file systems keep a part for root.
    const std::uint64_t blocks = ::geteuid() == 0 ? about.f_bfree : about.f_bavail;
    return blocks * about.f_frsize;
}

int flush_folder(const std::string& folder) noexcept {
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return errno;
    const int error = ::fsync(descriptor) == 0 ? 0 : errno;
    ::close(descriptor);
    // Some file systems have no fsync for folders; there is then nothing more to be done.
    return error == EINVAL || error == ENOTSUP ? 0 : error;
}

}  // namespace

AtomicFile::~AtomicFile() {
    if (place_ == Place::hidden) withdraw();
    settle();
}

CallResult AtomicFile::failure(const std::string& what, int error) const {
    const std::error_code code(error, std::generic_category());
    std::string detail = what + " " + path_ + ": " + code.message();
    if (error == ENOSPC || error == EDQUOT) {
        detail += "; what was there is kept: make room in " + folder_of(path_) + " and run again";
    }
    return CallResult::failure(code, detail);
}

CallResult AtomicFile::create() {
    withdraw();
    constexpr int kAttempts = 100;
    for (int attempt = 0; attempt < kAttempts && file_ < 0; ++attempt) {
        hidden_path_ = hidden_name(path_, HiddenKind::part);
        file_ = ::open(hidden_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file_ < 0 && errno != EEXIST) break;
        if (file_ >= 0 && !claimed()) close_file();
    }
    if (file_ < 0) return failure("cannot create a file beside", errno);
    place_ = Place::hidden;
    bytes_ = 0;
    reserved_ = 0;
    struct stat existing {};
    if (::stat(path_.c_str(), &existing) == 0 && ::fchmod(file_, existing.st_mode & 0777U) != 0) {
        return failure("cannot set the mode of a file beside", errno);
    }
    return CallResult::success();
}

bool AtomicFile::claimed() const noexcept {
    // Another run may have taken the new file for a leftover, between its making and its locking.
    struct stat made {};
    if (lock_file(file_)) return ::fstat(file_, &made) == 0 && made.st_nlink > 0;
    return errno != EWOULDBLOCK;  // A file system without locks: nobody else has one either.
}

CallResult AtomicFile::reserve(std::uint64_t bytes, const std::atomic<bool>& give_up) {
    const std::string what = "cannot get room for " + std::to_string(bytes) + " bytes in";
    const auto free = free_bytes(file_);
    // Where that is not known, what a peer announces might take all the memory there is.
    if (!free) return CallResult::success(reserved_);
    if (bytes > reserved_ && *free < bytes - reserved_) return failure(what, ENOSPC);
    const auto enough = std::chrono::steady_clock::now() + kReservingMax;
    while (reserved_ < bytes && std::chrono::steady_clock::now() < enough) {
        if (give_up) return failure(what, ECANCELED);
        const auto piece = std::min(bytes - reserved_, kReservedAtOnce);
        // The file keeps its size: it is what has been appended.
        if (::fallocate(file_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(reserved_),
                        static_cast<off_t>(piece)) == 0) {
            reserved_ += piece;
        } else if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) {
            return failure(what, errno);
        } else if (errno != EINTR) {
            break;  // It cannot do that; append() needs nothing of it.
        }
    }
    return CallResult::success(reserved_);
}

CallResult AtomicFile::append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return failure("cannot write", errno);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        bytes_ += static_cast<std::uint64_t>(written);
    }
    return CallResult::success();
}

CallResult AtomicFile::flush() {
    if (reserved_ > bytes_ && ::ftruncate(file_, static_cast<off_t>(bytes_)) != 0) {
        return failure("cannot give back room of", errno);
    }
    if (::fsync(file_) != 0) return failure("cannot write", errno);
    return CallResult::success();
}

CallResult AtomicFile::publish() {
    CallResult put = put_in_place();
    if (!put.ok()) return put;
    if (const int error = flush_folder(folder_of(path_)); error != 0) {
        return failure("cannot write the folder of", error);
    }
    return CallResult::success();
}

CallResult AtomicFile::put_in_place() {
    const char* const path = path_.c_str();
    struct stat existing {};
    // Not followed: a link that has appeared since would be replaced, and not what it points to.
    // Names of a file and a folder can be exchanged, too.
    if (::lstat(path, &existing) == 0 && !S_ISREG(existing.st_mode)) {
        return failure("cannot put into place", EEXIST);
    }
    // It is whole from here on, which its name must say before the former file can get that name.
    const std::string kept = hidden_name(path_, HiddenKind::kept);
    if (::rename(hidden_path_.c_str(), kept.c_str()) != 0) {
        return failure("cannot put into place", errno);
    }
    hidden_path_ = kept;
    if (::renameat2(AT_FDCWD, kept.c_str(), AT_FDCWD, path, RENAME_EXCHANGE) == 0) {
        place_ = Place::exchanged;
        return CallResult::success();
    }
    const bool nothing_there = errno == ENOENT;
    if (::rename(kept.c_str(), path) != 0) return failure("cannot put into place", errno);
    place_ = nothing_there ? Place::alone : Place::final;
    return CallResult::success();
}

void AtomicFile::settle() noexcept {
    if (place_ == Place::exchanged) ::unlink(hidden_path_.c_str());
    if (place_ == Place::exchanged || place_ == Place::alone) place_ = Place::final;
    close_file();
}

void AtomicFile::withdraw() noexcept {
    const Place place = std::exchange(place_, Place::nowhere);
    if (place == Place::exchanged) {
        ::rename(hidden_path_.c_str(), path_.c_str());
    } else if (place == Place::hidden) {
        ::unlink(hidden_path_.c_str());
    } else if (place == Place::alone) {
        ::unlink(path_.c_str());
    }
    close_file();
}

void AtomicFile::close_file() noexcept {
    if (file_ >= 0) ::close(std::exchange(file_, -1));
}

}  // namespace multifd
