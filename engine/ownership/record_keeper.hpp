// RecordKeeper: writes a session's record on a thread of its own, since a disk may hang.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "channels/transport/deadline.hpp"
#include "engine/ownership/session_record.hpp"

namespace multifd {

enum class RecordOutcome {
    written,  ///< Durable.
    failed,   ///< The record before it stands.
    late,     ///< The disk has not answered yet; the record may still appear.
};

/// Puts records in line; the latest wins. A record that is late when the next one comes is followed
/// by that one, so what stands on the disk in the end is the last decision, never an earlier one.
/// Ownership: its thread shares what it touches, and is left behind when the disk never answers.
/// Threads:   one at a time.
class RecordKeeper {
  public:
    explicit RecordKeeper(const std::string& folder);
    ~RecordKeeper();
    RecordKeeper(const RecordKeeper&) = delete;
    RecordKeeper& operator=(const RecordKeeper&) = delete;

    /// Makes the folder and proves that it can be written. `give_up` is asked again at each wake().
    RecordOutcome prepare(Deadline deadline, const std::function<bool()>& give_up);
    RecordOutcome write(const SessionRecord& record, Deadline deadline,
                        const std::function<bool()>& give_up = {});
    void wake() noexcept;
    /// One line about the last outcome that was not `written`.
    [[nodiscard]] std::string problem() const;

  private:
    struct Desk;  // Shared with the thread.
    RecordOutcome await(std::uint64_t ticket, Deadline deadline,
                        const std::function<bool()>& give_up);
    std::shared_ptr<Desk> desk_;
};

}  // namespace multifd
