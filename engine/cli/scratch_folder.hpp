// ScratchFolder: a folder for the files of child processes, gone afterwards.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace multifd {

/// A fresh folder, removed with everything in it by the destructor unless keep() was called.
/// Errors:    the constructor throws std::system_error.
class ScratchFolder {
  public:
    /// Its name begins with `prefix`.
    explicit ScratchFolder(std::string_view prefix);
    ~ScratchFolder();
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;

    /// The path of a file in it, which need not exist.
    [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }
    /// The whole file; empty when it cannot be read.
    [[nodiscard]] std::string text(std::string_view name) const;
    void keep() noexcept { kept_ = true; }
    [[nodiscard]] std::string path() const { return path_.string(); }

  private:
    std::filesystem::path path_;
    bool kept_ = false;
};

}  // namespace multifd
