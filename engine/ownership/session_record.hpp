// The ownership record of a session: one small file for each session and role in the state folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "channels/wire/error.hpp"
#include "channels/wire/ids.hpp"
#include "engine/ownership/decision.hpp"
#include "multifd/report.hpp"

namespace multifd {

/// What one end has decided. The file is `<session>.<role>.json`.
struct SessionRecord {
    std::string session;  ///< 1 to 64 of [0-9a-zA-Z-]; usually 32 hexadecimal digits.
    Role role = Role::source;
    std::string peer;  ///< Its address, for people.
    Decision decision = Decision::started;
    std::vector<DeviceIdentity> devices;
    std::string time;      ///< UTC, "2024-05-01T12:00:00Z"; write() fills it in.
    std::int64_t pid = 0;  ///< write() fills it in.
};

/// Whether a session of that name can exist.
bool session_name_valid(std::string_view session) noexcept;
/// `<session>.<role>.json`.
std::string record_file_name(const SessionRecord& record);
/// The file's JSON. Bytes that are no UTF-8 are replaced.
std::string encode_record(const SessionRecord& record);

/// A file longer than this is damaged: 4096 devices with the longest names fit.
inline constexpr std::size_t kRecordBytesMax = 8U << 20U;

/// Writes the records of one session.
/// Limits:    one small file per session and role; it is never removed by itself.
/// Threads:   not thread-safe; several stores, also of several processes, may share a folder.
/// Errors:    record_failed; problem() then says what failed. A failed write leaves the previous
///            record as it was, unless the disk itself fails while it makes the new one durable.
class RecordStore {
  public:
    /// An empty folder keeps no records: everything succeeds and writes nothing.
    explicit RecordStore(std::string folder) : folder_(std::move(folder)) {}

    /// Makes the folder (mode 0700, its parents too) and proves that it can be written.
    Result<> prepare();
    /// On success the record is durable: it survives a crash of the host. Before the ends have
    /// agreed on a session there is nothing that a record could tell: an empty one writes nothing.
    ErrorCode write(const SessionRecord& record);
    /// One line about the last failure: what, which file, the system's words.
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
    [[nodiscard]] const std::string& folder() const noexcept { return folder_; }

  private:
    ErrorCode fail(std::string_view what, const std::string& path, int error);
    /// Whole and durable, or removed again.
    ErrorCode write_file(const std::string& path, std::string_view content);

    std::string folder_;
    std::string problem_;
};

/// What a folder of records holds.
struct RecordFolder {
    struct Damaged {
        std::string file;     ///< The file's name in the folder.
        std::string problem;  ///< One line.
    };
    std::vector<SessionRecord> records;  ///< By session, then source before destination.
    std::vector<Damaged> damaged;
};

/// All records; a folder that does not exist holds none.
/// Errors:    the system's, when the folder cannot be read. Damaged files are listed, never an
///            error; temporary files are ignored.
Result<RecordFolder> read_all(const std::string& folder);
/// Those of one session, by its whole name.
/// Errors:    setting_invalid for a name no session can have.
Result<RecordFolder> read(const std::string& folder, std::string_view session);

/// $XDG_STATE_HOME/multifd; without it /var/lib/multifd for root and ~/.local/state/multifd for
/// others. Empty when there is no home.
std::string default_state_folder();

/// One or two lines for people: who owns the devices as far as this record says, and what to do.
std::string explain_owner(const SessionRecord& record);
/// The same from both ends' records.
std::string explain_owner(const SessionRecord& source, const SessionRecord& destination);

}  // namespace multifd
