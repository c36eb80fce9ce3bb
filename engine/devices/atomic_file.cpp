#include "engine/devices/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <random>
#include <utility>

namespace multifd {
namespace {

/// "" stands for the folder of a bare name.
std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string hidden_beside(const std::string& path) {
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
    const std::size_t name = path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1;
    // A file name has at most 255 bytes, of which the decoration takes 16.
    std::string hidden = path.substr(0, name) + "." + path.substr(name, 230) + ".multifd-";
    std::random_device random;
    for (int letter = 0; letter < 6; ++letter) hidden += kLetters[random() % kLetters.size()];
    return hidden;
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

CallResult AtomicFile::failure(const char* what, int error) const {
    const std::error_code code(error, std::generic_category());
    std::string detail = std::string(what) + " " + path_ + ": " + code.message();
    if (error == ENOSPC || error == EDQUOT) {
        detail += "; what was there is kept: make room in " + folder_of(path_) + " and run again";
    }
    return CallResult::failure(code, detail);
}

CallResult AtomicFile::create() {
    withdraw();
    constexpr int kAttempts = 100;
    for (int attempt = 0; attempt < kAttempts && file_ < 0; ++attempt) {
        hidden_path_ = hidden_beside(path_);
        file_ = ::open(hidden_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file_ < 0 && errno != EEXIST) break;
    }
    if (file_ < 0) return failure("cannot create a file beside", errno);
    place_ = Place::hidden;
    struct stat existing {};
    if (::stat(path_.c_str(), &existing) == 0 && ::fchmod(file_, existing.st_mode & 0777U) != 0) {
        return failure("cannot set the mode of a file beside", errno);
    }
    return CallResult::success();
}

CallResult AtomicFile::append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return failure("cannot write", errno);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return CallResult::success();
}

CallResult AtomicFile::flush() {
    if (::fsync(file_) != 0) return failure("cannot write", errno);
    return CallResult::success();
}

CallResult AtomicFile::publish() {
    close_file();
    CallResult put = put_in_place();
    if (!put.ok()) return put;
    if (const int error = flush_folder(folder_of(path_)); error != 0) {
        return failure("cannot write the folder of", error);
    }
    return CallResult::success();
}

CallResult AtomicFile::put_in_place() {
    const char* const hidden = hidden_path_.c_str();
    const char* const path = path_.c_str();
    struct stat existing {};
    // Names of a file and a folder can be exchanged, too.
    if (::stat(path, &existing) == 0 && !S_ISREG(existing.st_mode)) {
        return failure("cannot put into place", EEXIST);
    }
    if (::renameat2(AT_FDCWD, hidden, AT_FDCWD, path, RENAME_EXCHANGE) == 0) {
        place_ = Place::exchanged;
        return CallResult::success();
    }
    const bool nothing_there = errno == ENOENT;
    if (::rename(hidden, path) != 0) return failure("cannot put into place", errno);
    place_ = nothing_there ? Place::alone : Place::final;
    return CallResult::success();
}

void AtomicFile::settle() noexcept {
    close_file();
    if (place_ == Place::exchanged) ::unlink(hidden_path_.c_str());
    if (place_ == Place::exchanged || place_ == Place::alone) place_ = Place::final;
}

void AtomicFile::withdraw() noexcept {
    close_file();
    const Place place = std::exchange(place_, Place::nowhere);
    if (place == Place::exchanged) {
        ::rename(hidden_path_.c_str(), path_.c_str());
    } else if (place == Place::hidden) {
        ::unlink(hidden_path_.c_str());
    } else if (place == Place::alone) {
        ::unlink(path_.c_str());
    }
}

void AtomicFile::close_file() noexcept {
    if (file_ >= 0) ::close(std::exchange(file_, -1));
}

}  // namespace multifd
