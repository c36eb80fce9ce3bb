// The files of a recording, mapped.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/cli/inspection.hpp"

namespace multifd {

/// Read-only views of whole files, of any size.
/// Ownership: the views in files() are valid while this object lives. A file that is cut while it
///            is mapped ends the process: recordings are taken to be at rest.
/// Errors:    open() throws StartFailure with recording_unreadable, naming the path.
class RecordingFiles {
  public:
    /// Each path is a file, or a folder whose conn-K-src2dst.bin and conn-K-dst2src.bin are taken,
    /// by their numbers.
    static RecordingFiles open(const std::vector<std::string>& paths);

    RecordingFiles(RecordingFiles&&) noexcept = default;
    RecordingFiles& operator=(RecordingFiles&&) noexcept = default;

    [[nodiscard]] const std::vector<RecordedFile>& files() const noexcept { return files_; }

  private:
    RecordingFiles() = default;
    void add_file(const std::string& path, std::string name);
    void add_folder(const std::string& path);

    struct Unmap {
        std::size_t bytes = 0;
        void operator()(void* address) const noexcept;
    };
    std::vector<std::unique_ptr<void, Unmap>> mappings_;
    std::vector<RecordedFile> files_;
};

}  // namespace multifd
