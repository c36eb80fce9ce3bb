#include "engine/devices/hidden_files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <random>
#include <string_view>

#include "channels/transport/descriptor.hpp"

namespace multifd {
namespace {

constexpr std::size_t kTagLetters = 6;

std::string_view tag_of(HiddenKind kind) {
    return kind == HiddenKind::part ? ".multifd-part-" : ".multifd-kept-";
}

std::size_t name_begin(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? 0 : slash + 1;
}

/// ".NAME.multifd-part-", without a folder.
std::string hidden_prefix(const std::string& path, HiddenKind kind) {
    // A file name has at most 255 bytes, of which the decoration takes 21.
    return "." + path.substr(name_begin(path), 230).append(tag_of(kind));
}

/// Whether nobody works with the file at `path`; true also when there is none.
bool abandoned(const std::string& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    return file.is_open() ? lock_file(file.get()) : errno == ENOENT;
}

bool remove_part(const std::string& path) {
    // The lock is held until after the removal: a run that has just made the file and finds it
    // locked makes another one.
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    return file.is_open() && lock_file(file.get()) && ::unlink(path.c_str()) == 0;
}

}  // namespace

std::string hidden_name(const std::string& path, HiddenKind kind) {
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::string hidden = path.substr(0, name_begin(path)) + hidden_prefix(path, kind);
    std::random_device random;
    for (std::size_t letter = 0; letter < kTagLetters; ++letter) {
        hidden += kLetters[random() % kLetters.size()];
    }
    return hidden;
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

bool lock_file(int file) noexcept {
    return ::flock(file, LOCK_EX | LOCK_NB) == 0;
}

std::vector<LeftoverFile> clear_leftovers(const std::string& path) {
    std::vector<LeftoverFile> leftovers;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder_of(path), ignored)) {
        const std::string name = entry.path().filename().string();
        const std::string found = entry.path().string();
        for (const HiddenKind kind : {HiddenKind::part, HiddenKind::kept}) {
            const std::string prefix = hidden_prefix(path, kind);
            if (!name.starts_with(prefix) || name.size() != prefix.size() + kTagLetters) continue;
            if (kind == HiddenKind::part && remove_part(found)) {
                leftovers.push_back({found, kind, true});
            } else if (kind == HiddenKind::kept && abandoned(path) && abandoned(found)) {
                leftovers.push_back({found, kind, false});
            }
        }
    }
    std::ranges::sort(leftovers, {}, &LeftoverFile::path);
    return leftovers;
}

}  // namespace multifd
