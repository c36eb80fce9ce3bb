// A file that appears complete or not at all.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "multifd/device.hpp"

namespace multifd {

/// Bytes go to a hidden file in the folder of `path` (hidden_files.hpp); publish() puts it in that
/// place in one step. Until settle() withdraw() can undo that. The destructor removes what was not
/// published, and settles what was.
///
/// Whenever the process is killed, `path` is the former file or the whole new one:
///
///     before publish()        former file; the part file is worthless
///     within publish()        former file, and a kept file that is the new one; then exchanged
///     after it, not settled   new file, and a kept file that is the former one
///     settled                 new file
///
/// Ownership: owns the hidden file.
/// Threads:   one at a time.
/// Errors:    CallResult, with the path and the system's reason in `detail`; after a failure only
///            withdraw() makes sense.
class AtomicFile {
  public:
    explicit AtomicFile(std::string path) : path_(std::move(path)) {}
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    /// Makes the hidden file: for its owner alone, or with the mode of the file that it will
    /// replace.
    CallResult create();
    /// Gets room for `bytes`, as Device::expect() wants it, where the file system can do that and
    /// tells what it has free; append() gets what is missing. What is not used is given back by
    /// flush().
    /// Errors:    also when the file system has less free than that; operation_canceled once
    ///            `give_up` is set.
    CallResult reserve(std::uint64_t bytes, const std::atomic<bool>& give_up);
    CallResult append(std::span<const std::byte> bytes);
    /// Brings the hidden file to the disk. What append() left in memory may fail here.
    CallResult flush();
    /// Puts it in place, and brings the folder to the disk. A file that was there is kept, hidden,
    /// where the file system can exchange two names; where it cannot, withdraw() cannot bring it
    /// back.
    CallResult publish();
    /// Throws a file that was kept away.
    void settle() noexcept;
    /// Back to what was there before create(). Idempotent.
    void withdraw() noexcept;

  private:
    enum class Place {
        nowhere,
        hidden,     ///< Not published.
        alone,      ///< Published where no file was.
        exchanged,  ///< Published; hidden_path_ is the file that was there.
        final,      ///< Published, for good.
    };
    [[nodiscard]] bool claimed() const noexcept;
    CallResult put_in_place();
    [[nodiscard]] CallResult failure(const std::string& what, int error) const;
    void close_file() noexcept;

    std::string path_;
    std::string hidden_path_;
    std::uint64_t bytes_ = 0;     ///< Appended.
    std::uint64_t reserved_ = 0;  ///< From the beginning of the file on.
    int file_ = -1;               ///< Open until settled or withdrawn, for its lock.
    Place place_ = Place::nowhere;
};

}  // namespace multifd
