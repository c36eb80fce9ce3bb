#include "engine/cli/recording_files.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <tuple>

#include "engine/cli/command_context.hpp"

namespace multifd {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
    throw StartFailure(Errc::recording_unreadable, path + " cannot be read: " + why);
}

[[noreturn]] void refuse(const std::string& path, int error) {
    refuse(path, std::generic_category().message(error));
}

/// K and the direction of "conn-K-src2dst.bin": recordings are read in this order.
struct ConnectionName {
    std::uint64_t number = 0;
    bool backwards = false;
    std::string name;
};

std::optional<ConnectionName> connection_name(const std::string& name) {
    constexpr std::string_view kPrefix = "conn-";
    if (!name.starts_with(kPrefix)) return std::nullopt;
    ConnectionName connection;
    connection.name = name;
    const char* end = name.data() + name.size();
    const auto [rest, error] =
        std::from_chars(name.data() + kPrefix.size(), end, connection.number);
    if (error != std::errc{}) return std::nullopt;
    const std::string_view direction(rest, end);
    connection.backwards = direction == "-dst2src.bin";
    if (!connection.backwards && direction != "-src2dst.bin") return std::nullopt;
    return connection;
}

}  // namespace

void RecordingFiles::Unmap::operator()(void* address) const noexcept {
    ::munmap(address, bytes);
}

RecordingFiles RecordingFiles::open(const std::vector<std::string>& paths) {
    RecordingFiles recording;
    for (const std::string& path : paths) {
        std::error_code error;
        const auto status = std::filesystem::status(path, error);
        if (error) refuse(path, error.message());
        if (std::filesystem::is_directory(status)) {
            recording.add_folder(path);
        } else if (std::filesystem::is_regular_file(status)) {
            recording.add_file(path, path);
        } else {
            refuse(path, "neither a folder nor a regular file");
        }
    }
    return recording;
}

void RecordingFiles::add_folder(const std::string& path) {
    std::vector<ConnectionName> names;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
         entry.increment(error)) {
        if (auto name = connection_name(entry->path().filename().string())) {
            names.push_back(std::move(*name));
        }
    }
    if (error) refuse(path, error.message());
    if (names.empty()) refuse(path, "the folder holds no conn-K-src2dst.bin");
    std::ranges::sort(names, {}, [](const ConnectionName& name) {
        return std::tuple(name.number, name.backwards);
    });
    for (const ConnectionName& name : names) add_file(path + "/" + name.name, name.name);
}

void RecordingFiles::add_file(const std::string& path, std::string name) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) refuse(path, errno);
    struct stat status {};
    void* address = nullptr;
    int error = 0;
    if (::fstat(descriptor, &status) != 0) {
        error = errno;
    } else if (status.st_size != 0) {
        const auto bytes = static_cast<std::size_t>(status.st_size);
        address = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (address == MAP_FAILED) error = errno;
    }
    ::close(descriptor);
    if (error != 0) refuse(path, error);
    const auto bytes = static_cast<std::size_t>(status.st_size);
    if (bytes != 0) mappings_.emplace_back(address, Unmap{bytes});
    files_.push_back({std::move(name), {static_cast<const std::byte*>(address), bytes}});
}

}  // namespace multifd
