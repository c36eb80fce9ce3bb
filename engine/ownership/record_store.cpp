// RecordStore: makes a record durable before what it says takes effect.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <ctime>

#include "channels/wire/assert.hpp"
#include "engine/ownership/session_record.hpp"

namespace multifd {
namespace {

constexpr mode_t kFolderMode = 0700;
constexpr mode_t kFileMode = 0600;

/// "/a/b" of "/a/b/c"; "." of "c".
std::string parent_of(const std::string& path) {
    const auto slash = path.find_last_of('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string temporary_name(std::string_view stem) {
    // Only makes the names of one process differ; orders nothing.
    static std::atomic<unsigned> next{0};
    return "." + std::string(stem) + "." + std::to_string(::getpid()) + "." +
           std::to_string(next.fetch_add(1, std::memory_order_relaxed)) + ".tmp";
}

std::string utc_now() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::array<char, 32> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text.data(), size};
}

/// 0, or the errno of what failed.
int sync_folder_at(const std::string& path) {
    const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return errno;
    const int error = ::fsync(folder) == 0 ? 0 : errno;
    ::close(folder);
    return error;
}

/// 0, or the errno of what failed.
int write_all(int file, std::string_view content) {
    while (!content.empty()) {
        const ssize_t written = ::write(file, content.data(), content.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return ::fsync(file) == 0 ? 0 : errno;
}

}  // namespace

Result<> RecordStore::prepare() {
    if (folder_.empty()) return {};
    for (std::size_t end = folder_.find('/', 1);; end = folder_.find('/', end + 1)) {
        const std::string part = folder_.substr(0, end);
        if (::mkdir(part.c_str(), kFolderMode) == 0) {
            // The new folder's own entry must survive a crash as well.
            if (const int error = sync_folder_at(parent_of(part)); error != 0) {
                return fail("make durable", part, error);
            }
        } else if (errno != EEXIST) {
            return fail("make the folder", part, errno);
        }
        if (end == std::string::npos) break;
    }
    const std::string probe = folder_ + "/" + temporary_name("probe");
    if (const auto error = write_file(probe, "probe\n"); error) return error;
    ::unlink(probe.c_str());
    return {};
}

ErrorCode RecordStore::write(const SessionRecord& record) {
    if (folder_.empty() || record.session.empty()) return {};
    MULTIFD_ASSERT(session_name_valid(record.session));
    SessionRecord stamped = record;
    stamped.time = utc_now();
    stamped.pid = ::getpid();
    const std::string name = record_file_name(stamped);
    const std::string path = folder_ + "/" + name;
    const std::string temporary = folder_ + "/" + temporary_name(name);
    if (const auto error = write_file(temporary, encode_record(stamped)); error) return error;
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
        const int error = errno;
        ::unlink(temporary.c_str());
        return fail("put in place", path, error);
    }
    if (const int error = sync_folder_at(folder_); error != 0) {
        return fail("make durable", path, error);
    }
    return {};
}

ErrorCode RecordStore::write_file(const std::string& path, std::string_view content) {
    const int file =
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kFileMode);
    if (file < 0) return fail("create", path, errno);
    int error = write_all(file, content);
    if (::close(file) != 0 && error == 0) error = errno;
    if (error == 0) return {};
    ::unlink(path.c_str());
    return fail("write", path, error);
}

ErrorCode RecordStore::fail(std::string_view what, const std::string& path, int error) {
    problem_ = "cannot " + std::string(what) + " " + path + ": " +
               ErrorCode(error, boost::system::system_category()).message();
    return Errc::record_failed;
}

}  // namespace multifd
