#include "engine/cli/result_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "engine/devices/link_target.hpp"

namespace multifd {
namespace {

std::error_code last_error() {
    return {errno, std::generic_category()};
}

using Bytes = std::span<const std::byte>;

Bytes bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

using Clock = std::chrono::steady_clock;

/// Until the descriptor takes a page at least, as a pipe does that says it is writable.
std::error_code await_room(int descriptor, std::chrono::milliseconds patience) {
    pollfd watched{descriptor, POLLOUT, 0};
    const auto until = Clock::now() + patience;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        const int ready =
            ::poll(&watched, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        if (ready > 0) return {};
        if (ready == 0) return std::make_error_code(std::errc::timed_out);
        if (errno != EINTR) return last_error();
    }
}

std::error_code write_all(int descriptor, Bytes bytes, WritePatience patience = {}) {
    constexpr std::size_t kPageBytes = 4096;
    while (!bytes.empty()) {
        if (patience) {
            if (const std::error_code error = await_room(descriptor, *patience)) return error;
        }
        const std::size_t piece = patience ? std::min(bytes.size(), kPageBytes) : bytes.size();
        const ssize_t written = ::write(descriptor, bytes.data(), piece);
        if (written < 0) {
            if (errno == EINTR || (patience && errno == EAGAIN)) continue;
            return last_error();
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
}

/// Follows links, so that a link to a file stays a link.
std::filesystem::path resolved(const std::string& target) {
    std::error_code ignored;
    const auto path = link_target(target, ignored);
    return ignored || path.empty() ? std::filesystem::path(target) : path;
}

bool is_special(const std::filesystem::path& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

/// Opening a named pipe that nobody reads would wait for a reader, beyond any deadline.
int open_special(const std::filesystem::path& path, std::chrono::milliseconds patience,
                 const std::function<void()>& reader_missing) {
    constexpr std::chrono::milliseconds kLookAgain{20};
    const auto until = Clock::now() + patience;
    for (bool first = true;; first = false) {
        const int descriptor = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
        if (descriptor >= 0 || errno != ENXIO || Clock::now() >= until) return descriptor;
        if (first && reader_missing) reader_missing();
        std::this_thread::sleep_for(kLookAgain);
    }
}

std::error_code write_directly(const std::filesystem::path& path, std::string_view text,
                               std::chrono::milliseconds patience,
                               const std::function<void()>& reader_missing) {
    const int descriptor = open_special(path, patience, reader_missing);
    if (descriptor < 0) return last_error();
    std::error_code error = write_all(descriptor, bytes_of(text), patience);
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
    std::error_code ignored;
    if (std::filesystem::is_directory(target, ignored)) {
        return std::make_error_code(std::errc::is_a_directory);
    }
    if (is_special(target))
        return ::access(target.c_str(), W_OK) == 0 ? std::error_code{} : last_error();
    const std::filesystem::path path = resolved(target);
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    return ::access(folder.c_str(), W_OK | X_OK) == 0 ? std::error_code{} : last_error();
}

bool is_result_stream(const std::string& target) {
    return target == "-" || is_special(target);
}

std::error_code write_result(const std::string& target, std::string_view text,
                             WritePatience patience, const std::function<void()>& reader_missing) {
    if (target == "-") return write_all(STDOUT_FILENO, bytes_of(text), patience);
    // Before links are followed: those of /dev/fd lead to pipes, which have no path of their own.
    if (is_special(target)) {
        return write_directly(target, text, patience.value_or(kReaderPatience), reader_missing);
    }
    return replace_file(resolved(target).string(), {bytes_of(text)});
}

std::error_code replace_file(const std::string& path, const std::vector<Bytes>& pieces) {
    auto piece = pieces.begin();
    return make_file(path, [&]() -> std::optional<Bytes> {
        if (piece == pieces.end()) return std::nullopt;
        return *piece++;
    });
}

std::error_code make_file(const std::string& path, const PieceMaker& next) {
    std::string temporary;
    const int descriptor = open_temporary(path, temporary);
    if (descriptor < 0) return last_error();
    std::error_code error;
    while (const auto piece = next()) {
        error = write_all(descriptor, *piece);
        if (error) break;
    }
    if (!error && ::fsync(descriptor) != 0) error = last_error();
    if (::close(descriptor) != 0 && !error) error = last_error();
    if (!error && std::rename(temporary.c_str(), path.c_str()) != 0) error = last_error();
    if (error) ::unlink(temporary.c_str());
    return error;
}

}  // namespace multifd
