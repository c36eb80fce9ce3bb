// ReturnPathInbox: what the destination has said on the return path, for the source's main thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "channels/transport/deadline.hpp"
#include "channels/wire/hello.hpp"
#include "channels/wire/message_bodies.hpp"
#include "channels/wire/return_path.hpp"
#include "channels/wire/transfer_report.hpp"

namespace multifd {

/// Everything heard so far. Only grows.
struct ReturnPathMail {
    std::optional<Hello> hello;
    std::vector<std::uint32_t> pongs;
    bool ready = false;
    bool switchover_ack = false;
    bool loaded = false;  ///< The whole table of `loaded_table` has come.
    std::vector<VerifyEntry> loaded_table;
    std::uint64_t pre_copy_answers = 0;  ///< Whole tables that have come; the last is here.
    std::vector<PreCopyStatusEntry> pre_copy_status;
    std::optional<TransferReport> transfer_report;
    bool running = false;
    std::optional<PeerError> running_problem;  ///< Some device could not be started.
    std::optional<PeerError> refused;
    std::optional<std::uint32_t> shut;
    bool ended = false;  ///< Nothing more can come.
    ErrorCode error;     ///< Why; a protocol error when the peer's bytes were wrong.

    [[nodiscard]] bool ponged(std::uint32_t value) const;
};

/// Threads:   take() and end() on the control thread; wait() and expect_transfer_report() on the
///            main thread; wake() from any.
class ReturnPathInbox {
  public:
    /// TRANSFER_REPORT was agreed: from now on it may come.
    void expect_transfer_report();
    /// Stores one message; a wrong one ends the inbox with its error. Nothing is stored after that.
    void take(const Message& message);
    void end(ErrorCode error);
    void wake();

    using Predicate = std::function<bool(const ReturnPathMail&)>;
    /// Waits until `arrived` holds, the path has ended, `give_up` holds (asked again at wake()), or
    /// the deadline passes: whether `arrived` holds.
    bool wait(const Predicate& arrived, Deadline deadline, const std::function<bool()>& give_up);
    /// Waits for `will` alone, asked at every wake(): the path has nothing more to say.
    void wait_for_will(const std::function<bool()>& will);
    [[nodiscard]] ReturnPathMail mail() const;

  private:
    ErrorCode store(const Message& message, ReturnPathMail& mail);
    ErrorCode store_pre_copy_status(const Message& message, ReturnPathMail& mail);
    ErrorCode store_transfer_report(const Message& message, ReturnPathMail& mail) const;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    ReturnPathMail mail_;
    std::vector<PreCopyStatusEntry> unfinished_status_;  ///< Parts of the next table.
    bool transfer_report_expected_ = false;
};

}  // namespace multifd
