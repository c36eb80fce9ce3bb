#include "engine/devices/link_target.hpp"

namespace multifd {

std::filesystem::path link_target(const std::filesystem::path& path, std::error_code& error) {
    constexpr int kLinksMax = 40;  // As the kernel's.
    std::filesystem::path target = std::filesystem::absolute(path, error);
    for (int links = 0; !error; ++links) {
        const std::filesystem::path folder =
            std::filesystem::canonical(target.parent_path(), error);
        if (error) break;
        target = folder / target.filename();
        std::error_code missing;
        const auto status = std::filesystem::symlink_status(target, missing);
        if (status.type() != std::filesystem::file_type::symlink) {
            // "." and ".." are folders; the canonical name says which.
            const bool there = status.type() != std::filesystem::file_type::not_found;
            const auto real = there ? std::filesystem::canonical(target, error) : target;
            return error ? std::filesystem::path() : real;
        }
        if (links == kLinksMax) {
            error = std::make_error_code(std::errc::too_many_symbolic_link_levels);
            break;
        }
        const std::filesystem::path content = std::filesystem::read_symlink(target, error);
        // Relative to the folder the link is in; an absolute one replaces it.
        if (!error) target = folder / content;
    }
    return {};
}

}  // namespace multifd
