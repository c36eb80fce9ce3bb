#include "engine/cli/result_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace multifd {
namespace {

std::error_code last_error() {
    return {errno, std::generic_category()};
}

using Bytes = std::span<const std::byte>;

Bytes bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

std::error_code write_all(int descriptor, Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
        if (written < 0) {
            if (errno == EINTR) continue;
            return last_error();
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

/// Follows links, so that a link to a file stays a link.
std::filesystem::path resolved(const std::string& target) {
    std::error_code ignored;
    const auto path = std::filesystem::weakly_canonical(target, ignored);
    return ignored || path.empty() ? std::filesystem::path(target) : path;
}

bool is_special(const std::filesystem::path& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

std::error_code write_directly(const std::filesystem::path& path, std::string_view text) {
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return last_error();
    std::error_code error = write_all(descriptor, bytes_of(text));
    if (::close(descriptor) != 0 && !error) error = last_error();
    return error;
}

/// A new file beside `path`, under the user's mask; a leftover of the same name is never reused.
int open_temporary(const std::string& path, std::string& name) {
    for (int attempt = 0; attempt < 100; ++attempt) {
        name = path + "." + std::to_string(::getpid()) + "-" + std::to_string(attempt);
        const int descriptor = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0 || errno != EEXIST) return descriptor;
    }
    return -1;
}

}  // namespace

std::error_code check_result_target(const std::string& target) {
    if (target == "-") return {};
    const std::filesystem::path path = resolved(target);
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        return std::make_error_code(std::errc::is_a_directory);
    }
    if (is_special(path))
        return ::access(path.c_str(), W_OK) == 0 ? std::error_code{} : last_error();
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    return ::access(folder.c_str(), W_OK | X_OK) == 0 ? std::error_code{} : last_error();
}

bool is_result_stream(const std::string& target) {
    return target == "-" || is_special(resolved(target));
}

std::error_code write_result(const std::string& target, std::string_view text) {
    if (target == "-") return write_all(STDOUT_FILENO, bytes_of(text));
    const std::filesystem::path path = resolved(target);
    if (is_special(path)) return write_directly(path, text);
    return replace_file(path.string(), {bytes_of(text)});
}

std::error_code replace_file(const std::string& path, const std::vector<Bytes>& pieces) {
    std::string temporary;
    const int descriptor = open_temporary(path, temporary);
    if (descriptor < 0) return last_error();
    std::error_code error;
    for (const Bytes piece : pieces) {
        if (!error) error = write_all(descriptor, piece);
    }
    if (!error && ::fsync(descriptor) != 0) error = last_error();
    if (::close(descriptor) != 0 && !error) error = last_error();
    if (!error && std::rename(temporary.c_str(), path.c_str()) != 0) error = last_error();
    if (error) ::unlink(temporary.c_str());
    return error;
}

}  // namespace multifd
