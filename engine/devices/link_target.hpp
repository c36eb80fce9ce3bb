// What a path stands for when it, or a folder on the way, is a symbolic link.
#pragma once

#include <filesystem>
#include <system_error>

namespace multifd {

/// The file that writing to `path` is about, absolute and without links: what replaces it then
/// leaves every link as it is. The file need not exist, nor what a link points to; its folder must.
/// Errors:    too_many_symbolic_link_levels, or what the folder's look-up says; the result is empty
///            then.
std::filesystem::path link_target(const std::filesystem::path& path, std::error_code& error);

}  // namespace multifd
