#include "engine/cli/scratch_folder.hpp"

#include <stdlib.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

namespace multifd {

ScratchFolder::ScratchFolder(std::string_view prefix) {
    std::string name =
        (std::filesystem::temp_directory_path() / (std::string(prefix) + "-XXXXXX")).string();
    if (::mkdtemp(name.data()) == nullptr) {
        throw std::system_error(errno, std::generic_category(), name);
    }
    path_ = name;
}

ScratchFolder::~ScratchFolder() {
    std::error_code ignored;
    if (!kept_) std::filesystem::remove_all(path_, ignored);
}

std::string ScratchFolder::text(std::string_view name) const {
    const std::ifstream stream(path_ / name);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

}  // namespace multifd
