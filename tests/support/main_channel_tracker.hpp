// Cuts the bytes of a main channel into records, just enough to name the moments of a migration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace multifd {

/// A piece of the stream, in order; all pieces together are all bytes.
struct TrackedRecord {
    /// "header", "configuration", "command 1", "hello", "switchover-start", "verify", "commit",
    /// "abort", "section start", "section part", "section end", "section full", "footer", "eof",
    /// "vmdescription"; empty for what stands inside sections.
    std::string name;
    std::vector<std::byte> bytes;
};

/// Source to destination. Written apart from the project's own parser, so that a fault of that one
/// does not hide. Judges nothing: from the first byte it does not understand, everything is one
/// nameless record.
class MainChannelTracker {
  public:
    void append(std::span<const std::byte> bytes);
    /// Empty when no whole record is there.
    std::optional<TrackedRecord> next();

  private:
    std::optional<TrackedRecord> next_outside_section();
    std::optional<TrackedRecord> next_inside_section();
    std::optional<TrackedRecord> next_config();
    std::optional<TrackedRecord> cut(std::string name, std::uint64_t size);
    [[nodiscard]] std::uint64_t big_endian(std::size_t offset, std::size_t size) const;

    std::vector<std::byte> pending_;
    std::uint64_t raw_bytes_ = 0;  ///< Still to pass unseen: a device's data.
    bool in_section_ = false;
    bool in_config_ = false;
    bool lost_ = false;
};

/// Destination to source, and the control connection: u16 type, u16 length, data. Names: "shut",
/// "pong", "switchover-ack", "hello", "ready", "loaded", "running", "refused",
/// "pre-copy-status", "transfer-report", "heartbeat", "error", "cancel-request", or "message N".
class MessageTracker {
  public:
    void append(std::span<const std::byte> bytes);
    std::optional<TrackedRecord> next();

  private:
    std::vector<std::byte> pending_;
};

}  // namespace multifd
