#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "engine/devices/file_device.hpp"
#include "engine/devices/link_target.hpp"

namespace multifd {
namespace {

constexpr std::array<std::string_view, 3> kKeys{"path", "config", "prealloc"};

std::string reason(int error) {
    return std::generic_category().message(error);
}

/// A source's file must be there.
void check_source(const OptionReader& reader, std::string_view key, const std::string& path) {
    // O_NONBLOCK: opening a pipe must not wait for its writer, only to be refused below.
    const int file = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) reader.refuse(key, "a file that can be read; this one: " + reason(errno));
    struct stat about {};
    const bool regular = ::fstat(file, &about) == 0 && S_ISREG(about.st_mode);
    ::close(file);
    if (!regular) reader.refuse(key, "a regular file");
}

/// A destination's file need not, but its folder must. Gives the path that a link stands for, so
/// that the file is replaced and not the link.
std::string check_destination(const OptionReader& reader, std::string_view key,
                              const std::string& path) {
    if (path.back() == '/') reader.refuse(key, "a file, not a folder");
    std::error_code error;
    const std::filesystem::path real = link_target(path, error);
    if (error) reader.refuse(key, "a file in a folder that is there: " + error.message());
    struct stat about {};
    if (::stat(real.c_str(), &about) == 0 && !S_ISREG(about.st_mode)) {
        reader.refuse(key, "a regular file, or a name that is not taken");
    }
    if (!std::filesystem::is_directory(real.parent_path(), error)) {
        reader.refuse(
            key, "a file in a folder that is there: " + reason(error ? error.value() : ENOTDIR));
    }
    if (::access(real.parent_path().c_str(), W_OK | X_OK) != 0) {
        reader.refuse(key, "a file in a folder that can be written; this folder: " + reason(errno));
    }
    return real.string();
}

std::string checked_path(const OptionReader& reader, std::string_view key, Role role) {
    const auto value = reader.text(key);
    if (!value) return {};
    if (value->empty()) reader.refuse(key, "the path of a file");
    std::string path(*value);
    if (role == Role::destination) return check_destination(reader, key, path);
    check_source(reader, key, path);
    return path;
}

/// A file is replaced by its name in its folder, and a folder may have several paths.
std::string key_of(const std::filesystem::path& path) {
    struct stat folder {};
    if (::stat(path.parent_path().c_str(), &folder) != 0) return path.string();
    return std::to_string(folder.st_dev) + ":" + std::to_string(folder.st_ino) + "/" +
           path.filename().string();
}

}  // namespace

std::span<const std::string_view> file_keys() noexcept {
    return kKeys;
}

FileOptions read_file_options(const OptionReader& reader, Role role) {
    FileOptions options;
    options.role = role;
    if (!reader.text("path")) reader.refuse("key \"path\" is required: the file with the state");
    options.path = checked_path(reader, "path", role);
    options.config_path = checked_path(reader, "config", role);
    const std::vector<FileTarget> targets = file_targets(options);
    const bool one_target = targets.size() == 2 && targets[0].key == targets[1].key;
    if (options.config_path == options.path || one_target) {
        reader.refuse("config", "another file than path");
    }
    options.initial_state = reader.initial_state();
    options.preallocate = reader.flag("prealloc").value_or(true);
    return options;
}

std::vector<FileTarget> file_targets(const FileOptions& options) {
    std::vector<FileTarget> targets;
    if (options.role == Role::source) return targets;
    for (const std::string& path : {options.path, options.config_path}) {
        if (!path.empty()) targets.push_back({path, key_of(path)});
    }
    return targets;
}

}  // namespace multifd
