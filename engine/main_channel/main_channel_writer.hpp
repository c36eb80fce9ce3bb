// MainChannelWriter: the source's side of the main channel.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "channels/transport/connection.hpp"
#include "channels/wire/migration_stream_writer.hpp"

namespace multifd {

/// Collects records and sends them; knows whether it stands between sections.
/// Ownership: everything given outlives the writer.
/// Threads:   one at a time; between_records() from any.
/// Errors:    the system's; cancelled, phase_timeout.
class MainChannelWriter {
  public:
    MainChannelWriter(Connection& connection, const Interrupt& interrupt);

    /// Records appended here leave with the next flush().
    [[nodiscard]] StreamWriter& records() noexcept { return records_; }
    ErrorCode flush(Deadline deadline = kNoDeadline);
    /// Sends what was appended, then `raw`, without copying it.
    ErrorCode flush_with(std::span<const std::byte> raw);
    /// A last message although the interrupt has been raised; only between records.
    ErrorCode flush_regardless(Deadline deadline);

    /// A section is open from begin to end; inside one no command may be sent.
    void section_begins() noexcept { inside_section_ = true; }
    void section_ends() noexcept { inside_section_ = false; }
    /// Whether everything that was begun has left whole, so that a command may follow.
    [[nodiscard]] bool between_records() const noexcept { return !inside_section_ && !torn_; }
    [[nodiscard]] std::uint64_t bytes_sent() const noexcept {
        return bytes_sent_.load(std::memory_order_relaxed);
    }

  private:
    ErrorCode send(std::span<const std::byte> bytes, Deadline deadline, const Interrupt* interrupt);

    Connection& connection_;
    const Interrupt& interrupt_;
    std::vector<std::byte> pending_;
    StreamWriter records_{pending_};
    bool inside_section_ = false;
    bool torn_ = false;                          // A send ended in the middle.
    std::atomic<std::uint64_t> bytes_sent_ = 0;  // Publishes nothing but itself.
};

}  // namespace multifd
